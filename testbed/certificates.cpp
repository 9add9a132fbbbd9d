#include "testbed/certificates.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>

#include <ctime>

#include "base/diagnostics.hpp"
#include "testbed/address.hpp"
#include "testbed/revocation.hpp"

namespace convoy::testbed {
namespace {

using std::filesystem::path;

constexpr std::size_t longest_certificate = std::size_t{1} << 20U;
constexpr long version_3 = 2;

void set_time(ASN1_TIME* time, Time to) {
  need(ASN1_TIME_set(time, to.time_since_epoch().count()));
}

void check_name(const std::string& name) {
  if (is_clean_name(name)) return;
  throw base::UserError(fmt::format("\"{}\" is no name for a certificate; expected {}",
                                    clean_for_log(name), clean_name_rule()));
}

void check_validity(const Validity& validity) {
  if (validity.not_before < validity.not_after) return;
  throw base::UserError(fmt::format("a certificate cannot be valid from {} to {}",
                                    date_of(validity.not_before), date_of(validity.not_after)));
}

Owned<EVP_PKEY> new_key() {
  return Owned<EVP_PKEY>(need(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")));
}

// `value` is in OpenSSL's configuration language: it must be a constant of this file, never
// external text.
void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(need(X509V3_EXT_conf_nid(nullptr, &context, nid, value)));
  need(X509_add_ext(certificate, extension.get(), -1));
}

// A certificate without extensions and signature. `issuer` null: self-signed.
Owned<X509> new_certificate(const std::string& name, const Validity& validity, EVP_PKEY* key,
                            const X509* issuer) {
  Owned<X509> certificate(need(X509_new()));
  X509* x = certificate.get();
  need(X509_set_version(x, version_3));
  const Owned<BIGNUM> serial(need(BN_new()));
  do {
    need(BN_rand(serial.get(), 128, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY));
  } while (BN_is_zero(serial.get()) != 0);  // RFC 5280 requires a positive number
  need(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x)));
  const std::vector<unsigned char> text(name.begin(), name.end());
  need(X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                                  text.data(), static_cast<int>(text.size()), -1, 0));
  need(X509_set_issuer_name(x, X509_get_subject_name(issuer == nullptr ? x : issuer)));
  set_time(X509_getm_notBefore(x), validity.not_before);
  set_time(X509_getm_notAfter(x), validity.not_after);
  need(X509_set_pubkey(x, key));
  return certificate;
}

void add_alternative(GENERAL_NAMES* names, int type, const void* data, std::size_t size) {
  const int kind = type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING;
  Owned<ASN1_STRING> value(need(ASN1_STRING_type_new(kind)));
  need(ASN1_STRING_set(value.get(), data, static_cast<int>(size)));
  Owned<GENERAL_NAME> name(need(GENERAL_NAME_new()));
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  need(sk_GENERAL_NAME_push(names, name.get()));
  static_cast<void>(name.release());  // the stack owns it now
}

void add_alternatives(X509* certificate, const CertificateRequest& request) {
  const Owned<GENERAL_NAMES> names(need(sk_GENERAL_NAME_new_null()));
  const std::string uri = identity_uri(request.role, request.name);
  add_alternative(names.get(), GEN_URI, uri.data(), uri.size());
  for (const std::string& address : request.addresses) {
    if (const auto bytes = address_bytes(address)) {
      add_alternative(names.get(), GEN_IPADD, bytes->data(), bytes->size());
    } else {
      add_alternative(names.get(), GEN_DNS, address.data(), address.size());
    }
  }
  need(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0));
}

std::string pem_of(X509* certificate) {
  const Owned<BIO> memory(need(BIO_new(BIO_s_mem())));
  need(PEM_write_bio_X509(memory.get(), certificate));
  return std::string(content_of(memory.get()));
}

void write_key(const path& file, const EVP_PKEY* key) {
  const Owned<BIO> memory(need(BIO_new(BIO_s_secmem())));  // wiped when freed
  need(PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr));
  write_file(file, content_of(memory.get()), private_file);
}

// Rejects encrypted keys; OpenSSL would ask for the password at the terminal.
int no_password(char*, int, int, void*) { return -1; }

Owned<EVP_PKEY> read_key(const path& file) {
  std::string text = read_key_file(file);
  Owned<EVP_PKEY> key;
  {
    const QuietErrors quiet;
    const Owned<BIO> memory(need(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
    key.reset(PEM_read_bio_PrivateKey(memory.get(), nullptr, &no_password, nullptr));
  }
  OPENSSL_cleanse(text.data(), text.size());
  if (key == nullptr) {
    throw base::UserError(
        fmt::format("{}: expected a private key in PEM, not encrypted", file.string()));
  }
  return key;
}

void check_request(const CertificateRequest& request) {
  check_name(request.name);
  check_validity(request.validity);
  if ((request.role == Role::coordinator) == request.addresses.empty()) {
    throw base::UserError(
        fmt::format("\"{}\": a coordinator has addresses, a node has none", request.name));
  }
  for (const std::string& address : request.addresses) {
    if (!is_host(address)) {
      throw base::UserError(
          fmt::format("\"{}\" is neither an address nor a host name", clean_for_log(address)));
    }
  }
}

}  // namespace

Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

Validity valid_for_days(int days) {
  constexpr int longest = 36500;
  if (days < 1 || days > longest) {
    throw base::UserError(fmt::format("expected 1 to {} days, got {}", longest, days));
  }
  return {now() - std::chrono::hours(24), now() + std::chrono::hours(24) * days};
}

Authority make_authority(const path& folder, const std::string& name, const Validity& validity) {
  check_name(name);
  check_validity(validity);
  Authority authority;
  authority.folder = folder;
  authority.key = new_key();
  authority.certificate = new_certificate(name, validity, authority.key.get(), nullptr);
  X509* x = authority.certificate.get();
  extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(x, x, NID_subject_key_identifier, "hash");
  extend(x, x, NID_authority_key_identifier, "keyid:always");
  need(X509_sign(x, authority.key.get(), EVP_sha256()));

  make_folder(folder, private_folder);
  make_folder(folder / "issued", private_folder);
  write_key(folder / "key.pem", authority.key.get());
  write_first_revocation_list(authority);
  write_file(folder / "certificate.pem", pem_of(x), public_file);
  return authority;
}

Authority open_authority(const path& folder) {
  Authority authority;
  authority.folder = folder;
  authority.key = read_key(folder / "key.pem");
  authority.certificate = read_certificate(folder / "certificate.pem");
  const QuietErrors quiet;
  X509* x = authority.certificate.get();
  if (X509_check_ca(x) != 1 || X509_verify(x, authority.key.get()) != 1) {
    throw base::UserError(
        fmt::format("{}: key.pem and certificate.pem are not those of one "
                    "authority; was one of them replaced?",
                    folder.string()));
  }
  return authority;
}

std::string issue(const Authority& authority, const CertificateRequest& request,
                  const path& folder) {
  check_request(request);
  X509* issuer = authority.certificate.get();
  Validity validity = request.validity;
  validity.not_after = std::min(validity.not_after, end_of(issuer));
  check_validity(validity);
  const Owned<EVP_PKEY> key = new_key();
  const Owned<X509> certificate = new_certificate(request.name, validity, key.get(), issuer);
  X509* x = certificate.get();
  extend(x, issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(x, issuer, NID_key_usage, "critical,digitalSignature");
  extend(x, issuer, NID_ext_key_usage,
         request.role == Role::coordinator ? "serverAuth" : "clientAuth");
  extend(x, issuer, NID_subject_key_identifier, "hash");
  extend(x, issuer, NID_authority_key_identifier, "keyid:always");
  add_alternatives(x, request);
  need(X509_sign(x, authority.key.get(), EVP_sha256()));

  std::string serial = serial_of(x);
  const std::string pem = pem_of(x);
  make_folder(folder, private_folder);
  write_file(authority.folder / "issued" / (serial + ".pem"), pem, public_file);
  write_key(folder / "key.pem", key.get());
  write_file(folder / "certificate.pem", pem, public_file);
  return serial;
}

Owned<X509> read_certificate(const path& file) {
  const std::string text = read_file(file, longest_certificate);
  const QuietErrors quiet;
  const Owned<BIO> memory(need(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
  Owned<X509> certificate(PEM_read_bio_X509(memory.get(), nullptr, &no_password, nullptr));
  if (certificate == nullptr) {
    throw base::UserError(fmt::format("{}: expected a certificate in PEM", file.string()));
  }
  return certificate;
}

std::string serial_of(const X509* certificate) {
  const Owned<BIGNUM> number(
      need(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr)));
  const std::unique_ptr<char, void (*)(char*)> digits(need(BN_bn2hex(number.get())),
                                                      [](char* text) { OPENSSL_free(text); });
  return digits.get();
}

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  need(ASN1_TIME_to_tm(time, &parts));
  return Time(std::chrono::seconds(::timegm(&parts)));
}

Time end_of(const X509* certificate) { return time_of(X509_get0_notAfter(certificate)); }

std::vector<std::string> addresses_of(const X509* certificate) {
  const QuietErrors quiet;
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> addresses;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) addresses.push_back(bytes_of(name->d.dNSName));
    if (name->type != GEN_IPADD) continue;
    const std::string bytes = bytes_of(name->d.iPAddress);
    if (bytes.size() != 4 && bytes.size() != 16) continue;
    addresses.push_back(address_text({bytes.begin(), bytes.end()}));
  }
  return addresses;
}

std::string date_of(Time time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

}  // namespace convoy::testbed
