#pragma once

// An authority's list of revoked certificates (crl.pem). The coordinator refuses nodes whose
// certificate is on the list. The list is valid as long as the authority, so that a testbed never
// stops for lack of a new one; its number rises with each version.

#include <filesystem>
#include <string>
#include <vector>

#include "testbed/certificates.hpp"

namespace convoy::testbed {

// Used by make_authority.
void write_first_revocation_list(const Authority& authority);

// A certificate in an authority's issued/.
struct IssuedCertificate {
  std::string serial;  // hexadecimal digits
  PeerIdentity identity;
  Time not_after;
  bool revoked = false;
};

// All issued certificates, by name, then by end. UserError if a file is damaged or not signed by
// this authority: a complete revocation could then not be guaranteed.
[[nodiscard]] std::vector<IssuedCertificate> issued(const Authority& authority);

// Revokes all certificates ever issued to this node and writes the list. Gives the number newly
// revoked; 0 leaves the list unchanged. UserError if the name has no certificate, or the list is
// missing, damaged or another authority's: a new list would reinstate all revoked certificates.
int revoke(const std::filesystem::path& authority_folder, const std::string& name);

}  // namespace convoy::testbed
