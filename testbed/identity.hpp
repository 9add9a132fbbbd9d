#pragma once

// The identity in a certificate. Certificates of a testbed have one URI among their subject
// alternative names: "convoy:coordinator" or "convoy:node:NAME".
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
  std::string name;  // clean, see is_clean_name; of a coordinator the common name
  Role role = Role::node;
};

struct IdentityCheck {
  std::optional<PeerIdentity> identity;
  std::string refusal;  // why there is no identity (printable, for logs); else empty
};

// The URI in the certificate of this identity.
[[nodiscard]] std::string identity_uri(Role role, std::string_view name);

// Strict: exactly one URI, exactly one common name that agrees with it, clean names, only the
// role's extended key usage, not an authority. Rejects null. Does not check signature, dates and
// revocation: OpenSSL must have verified the chain. Not const: OpenSSL caches results in the
// certificate (with its own lock).
[[nodiscard]] IdentityCheck peer_identity(X509* certificate);

}  // namespace convoy::testbed
