#include "testbed/identity.hpp"

#include <fmt/format.h>

#include "testbed/names.hpp"
#include "testbed/openssl.hpp"

namespace convoy::testbed {
namespace {

constexpr std::string_view coordinator_uri = "convoy:coordinator";
constexpr std::string_view node_uri = "convoy:node:";

IdentityCheck refused(std::string_view why) {
  return {.identity = std::nullopt, .refusal = clean_for_log(why)};
}

// The only common name of the subject as UTF-8; nothing if there are none or several.
std::optional<std::string> common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return std::nullopt;
  unsigned char* text = nullptr;
  const int length =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (length < 0) return std::nullopt;
  std::string name(text, text + length);
  OPENSSL_free(text);
  return name;
}

// The only URI of the subject; nothing if there are none or several, or if the extension occurs
// twice or cannot be read.
std::optional<std::string> only_uri(const X509* certificate) {
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::optional<std::string> uri;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    if (uri) return std::nullopt;
    uri = bytes_of(name->d.uniformResourceIdentifier);
  }
  return uri;
}

}  // namespace

std::string identity_uri(Role role, std::string_view name) {
  return role == Role::coordinator ? std::string(coordinator_uri)
                                   : fmt::format("{}{}", node_uri, name);
}

IdentityCheck peer_identity(X509* certificate) {
  const QuietErrors quiet;
  if (certificate == nullptr) return refused("there is no certificate");
  const std::optional<std::string> uri = only_uri(certificate);
  if (!uri) return refused("the certificate has not exactly one URI that names its holder");
  const std::optional<std::string> name = common_name(certificate);
  if (!name) return refused("the certificate has not exactly one common name");
  if (!is_clean_name(*name)) {
    return refused(fmt::format("the certificate's common name \"{}\" is no name", *name));
  }

  Role role = Role::coordinator;
  if (*uri != coordinator_uri) {
    role = Role::node;
    if (*uri != identity_uri(role, *name)) {
      return refused(fmt::format(
          "the certificate's URI \"{}\" is neither a coordinator's nor that of node \"{}\"", *uri,
          *name));
    }
  }
  const std::uint32_t expected = role == Role::coordinator ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
  if (X509_get_extended_key_usage(certificate) != expected) {
    return refused(fmt::format("the certificate of \"{}\" is not made for a {}", *name,
                               role == Role::coordinator ? "coordinator" : "node"));
  }
  if (X509_check_ca(certificate) != 0) {
    return refused(fmt::format("the certificate of \"{}\" is an authority's", *name));
  }
  return {.identity = PeerIdentity{*name, role}, .refusal = ""};
}

}  // namespace convoy::testbed
