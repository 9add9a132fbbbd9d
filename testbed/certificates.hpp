#pragma once

// The testbed's own certificate authority: EC P-256 keys, certificates signed with SHA-256. Only
// the testbed's coordinator and nodes use it.
//
//   const Authority authority = make_authority("lab/authority", "lab", valid_for_days(730));
//   issue(authority, {.name = "orin-1", .role = Role::node, .validity = valid_for_days(730)},
//         "lab/nodes/orin-1");
//
// Files of an authority: key.pem, certificate.pem, crl.pem (see revocation.hpp) and, in issued/,
// every certificate it has signed, since only these can be revoked. Private keys are not encrypted;
// their files have mode 0600 from creation.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "testbed/files.hpp"
#include "testbed/identity.hpp"
#include "testbed/names.hpp"
#include "testbed/openssl.hpp"

namespace convoy::testbed {

// In seconds: dates of certificates reach the year 9999, where the system clock's nanoseconds
// overflow.
using Time = std::chrono::sys_seconds;
[[nodiscard]] Time now();

struct Validity {
  Time not_before;
  Time not_after;
};
// From yesterday (a device's clock without a battery may be behind) until `days` from now: 1 to
// 36500.
[[nodiscard]] Validity valid_for_days(int days);

struct Authority {
  std::filesystem::path folder;
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
};

struct CertificateRequest {
  std::string name;  // a clean name: the common name
  Role role = Role::node;
  // For a coordinator: its addresses and host names, at least one. Empty for nodes.
  std::vector<std::string> addresses;
  Validity validity;  // limited by the authority's own end
};

// Makes the folder (0700; its parent must exist), a key, a self-signed certificate and an empty
// revocation list. UserError if the folder exists, the name is not clean, or writing fails.
Authority make_authority(const std::filesystem::path& folder, const std::string& name,
                         const Validity& validity);

// UserError if a file is missing or damaged, key and certificate do not match, or others may read
// the key.
[[nodiscard]] Authority open_authority(const std::filesystem::path& folder);

// Makes the folder (0700), which must not exist, with key.pem and certificate.pem. Records the
// certificate with the authority first, so that every certificate in use can be revoked. Gives its
// serial number in hexadecimal. UserError as above, and for invalid requests.
std::string issue(const Authority& authority, const CertificateRequest& request,
                  const std::filesystem::path& folder);

// The first certificate of a PEM file. UserError if there is none.
[[nodiscard]] Owned<X509> read_certificate(const std::filesystem::path& file);

[[nodiscard]] std::string serial_of(const X509* certificate);  // hexadecimal digits
[[nodiscard]] Time time_of(const ASN1_TIME* time);
[[nodiscard]] Time end_of(const X509* certificate);
// Addresses and host names in the certificate, in order.
[[nodiscard]] std::vector<std::string> addresses_of(const X509* certificate);

// The date in UTC, "2031-05-17".
[[nodiscard]] std::string date_of(Time time);

}  // namespace convoy::testbed
