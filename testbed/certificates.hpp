#pragma once

// A testbed's own certificate authority: EC P-256 keys, certificates signed with SHA-256. Nobody
// but the testbed's own coordinator and nodes has any business with it.
//
//   const Authority authority = make_authority("lab/authority", "lab", valid_for_days(730));
//   issue(authority, {.name = "orin-1", .role = Role::node, .validity = valid_for_days(730)},
//         "lab/nodes/orin-1");
//
// The folder of an authority: key.pem, certificate.pem, crl.pem (see revocation.hpp) and, in
// issued/, each certificate that it ever signed, since only those can be revoked.
// Private keys are not encrypted: they are protected by their mode, 0600 from the first byte.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "testbed/files.hpp"
#include "testbed/identity.hpp"
#include "testbed/names.hpp"
#include "testbed/openssl.hpp"

namespace convoy::testbed {

// Seconds, since a certificate's dates reach up to the year 9999, where the clock's own nanoseconds
// overflow.
using Time = std::chrono::sys_seconds;
[[nodiscard]] Time now();

struct Validity {
  Time not_before;
  Time not_after;
};
// From yesterday on, since the clock of a device without a battery may be late, for `days` from
// now: 1 to 36500.
[[nodiscard]] Validity valid_for_days(int days);

struct Authority {
  std::filesystem::path folder;
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
};

struct CertificateRequest {
  std::string name;  // a clean name: the common name
  Role role = Role::node;
  // Of a coordinator: the addresses and host names that it is reached by, at least one. A node has
  // none.
  std::vector<std::string> addresses;
  Validity validity;  // cut at the authority's own end
};

// Makes the folder (0700; its parent must be there), a key, a self-signed certificate and an empty
// revocation list. UserError where the folder is there, the name unclean, or nothing can be
// written.
Authority make_authority(const std::filesystem::path& folder, const std::string& name,
                         const Validity& validity);

// UserError where a file is missing or damaged, the key is not the certificate's, or others may
// read it.
[[nodiscard]] Authority open_authority(const std::filesystem::path& folder);

// Makes the folder (0700), which must not be there, with key.pem and certificate.pem. The
// certificate is recorded with the authority first: none is ever in use that cannot be revoked.
// Gives its serial number in hexadecimal digits. UserError as above, and for unclean requests.
std::string issue(const Authority& authority, const CertificateRequest& request,
                  const std::filesystem::path& folder);

// The first certificate of a PEM file. UserError where there is none.
[[nodiscard]] Owned<X509> read_certificate(const std::filesystem::path& file);

[[nodiscard]] std::string serial_of(const X509* certificate);  // hexadecimal digits
[[nodiscard]] Time time_of(const ASN1_TIME* time);
[[nodiscard]] Time end_of(const X509* certificate);
// The addresses and host names that it vouches for, in their order.
[[nodiscard]] std::vector<std::string> addresses_of(const X509* certificate);

// The date in UTC, "2031-05-17".
[[nodiscard]] std::string date_of(Time time);

}  // namespace convoy::testbed
