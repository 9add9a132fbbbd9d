#pragma once

// The list of the certificates that an authority does not stand by any more (crl.pem beside it).
// The coordinator refuses nodes whose certificate is on it. Valid as long as the authority, so that
// a testbed does not stop for want of a new one; its number rises with each that is written.

#include <filesystem>
#include <string>
#include <vector>

#include "testbed/certificates.hpp"

namespace convoy::testbed {

// Of make_authority.
void write_first_revocation_list(const Authority& authority);

// A certificate of an authority's issued/.
struct IssuedCertificate {
  std::string serial;  // hexadecimal digits
  PeerIdentity identity;
  Time not_after;
  bool revoked = false;
};

// All of them, by name, then in the order of their end. UserError where a file is damaged or not
// signed by this authority: with it in the folder, nobody could say whether all was revoked.
[[nodiscard]] std::vector<IssuedCertificate> issued(const Authority& authority);

// Revokes every certificate that was ever issued to the node of this name, and writes the list
// anew. Gives how many were not revoked before; 0 leaves the list as it is. UserError where the
// name had none, or the list is missing, damaged or another authority's: it is not begun anew,
// since that would bring back all that was revoked.
int revoke(const std::filesystem::path& authority_folder, const std::string& name);

}  // namespace convoy::testbed
