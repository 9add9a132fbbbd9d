#include "testbed/revocation.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>
#include <tuple>

#include "base/diagnostics.hpp"
#include "base/folder_lock.hpp"
#include "base/text.hpp"

namespace convoy::testbed {
namespace {

using std::filesystem::path;

constexpr std::size_t longest_list = std::size_t{16} << 20U;  // some 300,000 entries
constexpr long version_2 = 1;

path list_of(const Authority& authority) { return authority.folder / "crl.pem"; }

Owned<ASN1_TIME> asn1(Time time) {
  return Owned<ASN1_TIME>(need(ASN1_TIME_set(nullptr, time.time_since_epoch().count())));
}

// The time from which a list is valid: a day early, as for certificates, since clocks may be late;
// but later than the previous list, since OpenSSL takes the latest of several lists in a store.
Time beginning(const Authority& authority, const X509_CRL* old) {
  if (old == nullptr) return time_of(X509_get0_notBefore(authority.certificate.get()));
  const Time yesterday = now() - std::chrono::hours(24);
  return std::max(yesterday, time_of(X509_CRL_get0_lastUpdate(old)) + std::chrono::seconds(1));
}

// A new, unsigned list with the entries of `old` (null: no entries).
Owned<X509_CRL> next_list(const Authority& authority, X509_CRL* old) {
  X509* issuer = authority.certificate.get();
  Owned<X509_CRL> list(need(X509_CRL_new()));
  need(X509_CRL_set_version(list.get(), version_2));
  need(X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer)));
  need(X509_CRL_set1_lastUpdate(list.get(), asn1(beginning(authority, old)).get()));
  need(X509_CRL_set1_nextUpdate(list.get(), X509_get0_notAfter(issuer)));
  STACK_OF(X509_REVOKED)* entries = old == nullptr ? nullptr : X509_CRL_get_REVOKED(old);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {  // -1 for null
    Owned<X509_REVOKED> entry(need(X509_REVOKED_dup(sk_X509_REVOKED_value(entries, i))));
    need(X509_CRL_add0_revoked(list.get(), entry.get()));
    static_cast<void>(entry.release());  // the list owns it now
  }

  const Owned<BIGNUM> number(need(BN_new()));
  if (old != nullptr) {
    const Owned<ASN1_INTEGER> before(static_cast<ASN1_INTEGER*>(
        need(X509_CRL_get_ext_d2i(old, NID_crl_number, nullptr, nullptr))));
    need(ASN1_INTEGER_to_BN(before.get(), number.get()));
  }
  need(BN_add_word(number.get(), 1));
  const Owned<ASN1_INTEGER> numbered(need(BN_to_ASN1_INTEGER(number.get(), nullptr)));
  need(X509_CRL_add1_ext_i2d(list.get(), NID_crl_number, numbered.get(), 0, 0));
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list.get(), 0);
  const Owned<X509_EXTENSION> extension(
      need(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always")));
  need(X509_CRL_add_ext(list.get(), extension.get(), -1));
  return list;
}

void sign_and_write(const Authority& authority, X509_CRL* list, Existing existing) {
  need(X509_CRL_sort(list));
  need(X509_CRL_sign(list, authority.key.get(), EVP_sha256()));
  const Owned<BIO> memory(need(BIO_new(BIO_s_mem())));
  need(PEM_write_bio_X509_CRL(memory.get(), list));
  write_file(list_of(authority), content_of(memory.get()), public_file, existing);
}

Owned<X509_CRL> read_list(const Authority& authority) {
  const path file = list_of(authority);
  const std::string text = read_file(file, longest_list);
  const QuietErrors quiet;
  const Owned<BIO> memory(need(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
  Owned<X509_CRL> list(PEM_read_bio_X509_CRL(memory.get(), nullptr, nullptr, nullptr));
  if (list == nullptr || X509_CRL_verify(list.get(), authority.key.get()) != 1) {
    throw base::UserError(
        fmt::format("{}: is no revocation list of this authority; bring back the last good one",
                    file.string()));
  }
  return list;
}

bool is_on(X509_CRL* list, const X509* certificate) {
  X509_REVOKED* found = nullptr;
  return X509_CRL_get0_by_serial(list, &found, X509_get0_serialNumber(certificate)) != 0;
}

struct Record {
  Owned<X509> certificate;
  PeerIdentity identity;
};

std::vector<Record> read_records(const Authority& authority) {
  std::vector<Record> records;
  std::error_code failure;
  const path folder = authority.folder / "issued";
  for (std::filesystem::directory_iterator i(folder, failure), end; !failure && i != end;
       i.increment(failure)) {
    const path& file = i->path();
    // Drafts begin with a dot.
    if (file.extension() != ".pem" || file.filename().string().front() == '.') continue;
    Owned<X509> certificate = read_certificate(file);
    const QuietErrors quiet;
    const IdentityCheck check = peer_identity(certificate.get());
    if (!check.identity || X509_verify(certificate.get(), authority.key.get()) != 1) {
      throw base::UserError(fmt::format("{}: is no certificate of this authority{}{}",
                                        file.string(), check.identity ? "" : ": ", check.refusal));
    }
    records.push_back({std::move(certificate), *check.identity});
  }
  if (failure) {
    throw base::UserError(fmt::format("{}: {}", folder.string(), failure.message()));
  }
  return records;
}

[[noreturn]] void unknown_name(const Authority& authority, const std::vector<Record>& records,
                               const std::string& name) {
  std::vector<std::string> names;
  for (const Record& record : records) {
    if (record.identity.role == Role::node) names.push_back(record.identity.name);
  }
  throw base::UserError(fmt::format("{}: no node \"{}\" ever got a certificate here{}",
                                    authority.folder.string(), clean_for_log(name),
                                    base::did_you_mean(name, names)));
}

}  // namespace

void write_first_revocation_list(const Authority& authority) {
  sign_and_write(authority, next_list(authority, nullptr).get(), Existing::keep);
}

std::vector<IssuedCertificate> issued(const Authority& authority) {
  const Owned<X509_CRL> list = read_list(authority);
  std::vector<IssuedCertificate> all;
  for (const Record& record : read_records(authority)) {
    const X509* x = record.certificate.get();
    all.push_back({serial_of(x), record.identity, end_of(x), is_on(list.get(), x)});
  }
  std::sort(all.begin(), all.end(), [](const IssuedCertificate& a, const IssuedCertificate& b) {
    return std::tie(a.identity.name, a.not_after, a.serial) <
           std::tie(b.identity.name, b.not_after, b.serial);
  });
  return all;
}

int revoke(const path& authority_folder, const std::string& name) {
  const base::FolderLock lock(authority_folder);
  const Authority authority = open_authority(authority_folder);
  const Owned<X509_CRL> old = read_list(authority);
  const Owned<X509_CRL> list = next_list(authority, old.get());
  const std::vector<Record> records = read_records(authority);
  const Owned<ASN1_TIME> today = asn1(now());
  int known = 0;
  int revoked = 0;
  for (const Record& record : records) {
    if (record.identity.role != Role::node || record.identity.name != name) continue;
    ++known;
    if (is_on(old.get(), record.certificate.get())) continue;
    ++revoked;
    Owned<X509_REVOKED> entry(need(X509_REVOKED_new()));
    const X509* x = record.certificate.get();
    // OpenSSL 3.0 wants a non-const serial number, which it copies.
    const Owned<ASN1_INTEGER> serial(need(ASN1_INTEGER_dup(X509_get0_serialNumber(x))));
    need(X509_REVOKED_set_serialNumber(entry.get(), serial.get()));
    need(X509_REVOKED_set_revocationDate(entry.get(), today.get()));
    need(X509_CRL_add0_revoked(list.get(), entry.get()));
    static_cast<void>(entry.release());
  }
  if (known == 0) unknown_name(authority, records, name);
  if (revoked > 0) sign_and_write(authority, list.get(), Existing::replace);
  return revoked;
}

}  // namespace convoy::testbed
