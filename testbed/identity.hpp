#pragma once

// Who a certificate says its holder is. A certificate of a testbed carries one URI among its
// subject's alternative names: "convoy:coordinator" or "convoy:node:NAME".
//
//   const IdentityCheck check = peer_identity(certificate);
//   if (!check.identity) refuse(check.refusal);

#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>

namespace convoy::testbed {

enum class Role { coordinator, node };

struct PeerIdentity {
  std::string name;  // clean, see is_clean_name; of a coordinator its common name
  Role role = Role::node;
};

struct IdentityCheck {
  std::optional<PeerIdentity> identity;
  std::string refusal;  // why there is none: printable, for a log; empty otherwise
};

// The URI that a certificate of this identity carries.
[[nodiscard]] std::string identity_uri(Role role, std::string_view name);

// Strict: exactly one URI, exactly one common name that agrees with it, clean names, the extended
// key usage of the role and no other, no authority. Null is refused as well. Says nothing about
// the signature, the dates or the revocation: the chain must have been verified by OpenSSL.
// Not const: OpenSSL keeps what it has worked out in the certificate (under a lock of its own).
[[nodiscard]] IdentityCheck peer_identity(X509* certificate);

}  // namespace convoy::testbed
