// Tests certificates of a testbed by OpenSSL's own verification, and hostile ones.

#include "testbed/certificates.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "base/diagnostics.hpp"
#include "base/folder_lock.hpp"
#include "testbed/files.hpp"
#include "testbed/revocation.hpp"
#include "tests/testbed/support.hpp"

namespace convoy::testbed {
namespace {

using std::chrono::hours;
using test::TemporaryFolder;

// An authority and its certificates.
class Certificates : public testing::Test {
 protected:
  // Errors from other tests of this process.
  Certificates() { ERR_clear_error(); }
  std::filesystem::path node(const std::string& name) {
    const std::filesystem::path place = folder_.path() / name;
    issue(authority_, {.name = name, .role = Role::node, .validity = year_}, place);
    return place;
  }
  std::filesystem::path coordinator() {
    const std::filesystem::path place = folder_.path() / "coordinator";
    issue(authority_,
          {.name = "coordinator",
           .role = Role::coordinator,
           .addresses = {"192.168.1.5", "lab.local", "::1"},
           .validity = year_},
          place);
    return place;
  }
  // OpenSSL's result: X509_V_OK, or the reason.
  int verify(const std::filesystem::path& place, const char* purpose = "sslclient") {
    return test::verify(*read_certificate(place / "certificate.pem"), authority_.folder, purpose);
  }

  TemporaryFolder folder_;
  Validity year_ = valid_for_days(365);
  Authority authority_ = make_authority(folder_.path() / "authority", "lab", valid_for_days(730));
};

TEST_F(Certificates, VerifyInTheirRoleAndNoOther) {
  EXPECT_EQ(verify(node("orin-1")), X509_V_OK);
  EXPECT_EQ(verify(folder_.path() / "orin-1", "sslserver"), X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(verify(coordinator(), "sslserver"), X509_V_OK);
  EXPECT_EQ(verify(folder_.path() / "coordinator", "sslclient"), X509_V_ERR_INVALID_PURPOSE);
}

TEST_F(Certificates, OfAForeignAuthorityAreRefused) {
  // The same name with another key.
  const Authority foreign = make_authority(folder_.path() / "foreign", "lab", year_);
  issue(foreign, {.name = "orin-1", .validity = year_}, folder_.path() / "orin-1");
  EXPECT_NE(verify(folder_.path() / "orin-1"), X509_V_OK);
  const Owned<X509> certificate = read_certificate(folder_.path() / "orin-1" / "certificate.pem");
  EXPECT_NE(X509_verify(certificate.get(), authority_.key.get()), 1);
  EXPECT_EQ(test::verify(*certificate, foreign.folder, "sslclient"), X509_V_OK);
}

TEST_F(Certificates, AreRefusedBeforeAndAfterTheirTime) {
  const Time today = now();
  issue(authority_, {.name = "old", .validity = {today - hours(72), today - hours(48)}},
        folder_.path() / "old");
  issue(authority_, {.name = "new", .validity = {today + hours(48), today + hours(72)}},
        folder_.path() / "new");
  EXPECT_EQ(verify(folder_.path() / "old"), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(verify(folder_.path() / "new"), X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_USER_ERROR(
      issue(authority_, {.name = "x", .validity = {today, today - hours(1)}}, folder_.path() / "x"),
      "cannot be valid from");
  // Late clocks are allowed for; no certificate is valid longer than the authority.
  const Validity long_time{today - hours(24), today + hours(24 * 20000)};
  issue(authority_, {.name = "long", .validity = long_time}, folder_.path() / "long");
  EXPECT_EQ(end_of(read_certificate(folder_.path() / "long" / "certificate.pem").get()),
            end_of(authority_.certificate.get()));
  EXPECT_USER_ERROR(valid_for_days(0), "1 to 36500 days");
}

TEST_F(Certificates, AreRefusedOnceRevokedAndTheListsNumberRises) {
  const auto place = node("orin-1");
  const auto other = node("orin-2");
  issue(authority_, {.name = "orin-1", .validity = year_}, folder_.path() / "second");
  const auto before = test::read_list(authority_.folder);
  EXPECT_EQ(test::number_of(*before), 1);
  EXPECT_EQ(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(before.get())), -1);

  EXPECT_EQ(revoke(authority_.folder, "orin-1"), 2);  // all certificates that it ever had
  EXPECT_EQ(verify(place), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verify(folder_.path() / "second"), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verify(other), X509_V_OK);
  EXPECT_EQ(revoke(authority_.folder, "orin-1"), 0);
  const auto first = test::read_list(authority_.folder);
  EXPECT_EQ(test::number_of(*first), 2);

  EXPECT_EQ(revoke(authority_.folder, "orin-2"), 1);
  EXPECT_EQ(verify(place), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verify(other), X509_V_ERR_CERT_REVOKED);
  const auto second = test::read_list(authority_.folder);
  EXPECT_EQ(test::number_of(*second), 3);
  EXPECT_GT(time_of(X509_CRL_get0_lastUpdate(second.get())),
            time_of(X509_CRL_get0_lastUpdate(first.get())));
  EXPECT_EQ(time_of(X509_CRL_get0_nextUpdate(second.get())), end_of(authority_.certificate.get()));

  int revoked = 0;
  for (const IssuedCertificate& one : issued(authority_)) revoked += one.revoked ? 1 : 0;
  EXPECT_EQ(revoked, 3);
  EXPECT_USER_ERROR(revoke(authority_.folder, "orin-11"), "did you mean");
  EXPECT_USER_ERROR(revoke(authority_.folder, "../../x"), "no node \"../../x\"");
}

TEST_F(Certificates, AMissingOrForeignRevocationListIsNotBegunAnew) {
  node("orin-1");
  const Authority foreign = make_authority(folder_.path() / "foreign", "lab", year_);
  std::filesystem::copy_file(foreign.folder / "crl.pem", authority_.folder / "crl.pem",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_USER_ERROR(revoke(authority_.folder, "orin-1"), "no revocation list of this authority");
  std::filesystem::remove(authority_.folder / "crl.pem");
  EXPECT_USER_ERROR(revoke(authority_.folder, "orin-1"), "crl.pem: cannot be read");
  std::ofstream(authority_.folder / "crl.pem") << "nonsense";
  EXPECT_USER_ERROR(revoke(authority_.folder, "orin-1"), "no revocation list");
}

TEST_F(Certificates, ADamagedRecordStopsARevocation) {
  node("orin-1");
  std::ofstream(authority_.folder / "issued" / "AB.pem") << "-----BEGIN CERTIFICATE-----\nAAAA\n";
  EXPECT_USER_ERROR(revoke(authority_.folder, "orin-1"), "AB.pem: expected a certificate");
}

TEST_F(Certificates, TheAuthorityIsMadeAsItShouldBe) {
  X509* x = authority_.certificate.get();
  EXPECT_EQ(X509_check_ca(x), 1);
  EXPECT_EQ(X509_get_pathlen(x), 0);
  EXPECT_EQ(X509_get_key_usage(x), std::uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  for (const int nid : {NID_basic_constraints, NID_key_usage}) {
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1))), 1);
  }
  EXPECT_NE(X509_get0_subject_key_id(x), nullptr);
  EXPECT_NE(X509_get0_authority_key_id(x), nullptr);
  EXPECT_EQ(EVP_PKEY_get_bits(authority_.key.get()), 256);
  EXPECT_GT(serial_of(x).size(), 16U);  // of 128 random bits, more than 64 are used
  const Authority again = open_authority(authority_.folder);
  EXPECT_EQ(serial_of(again.certificate.get()), serial_of(x));
}

TEST_F(Certificates, AnAuthorityOfTwoHalvesIsRefused) {
  const Authority foreign = make_authority(folder_.path() / "foreign", "lab", year_);
  std::filesystem::copy_file(foreign.folder / "key.pem", authority_.folder / "key.pem",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_USER_ERROR(open_authority(authority_.folder), "not those of one authority");
  // A node's certificate cannot be used as an authority.
  node("orin-1");
  EXPECT_USER_ERROR(open_authority(folder_.path() / "orin-1"), "not those of one authority");
}

TEST_F(Certificates, AnEncryptedKeyIsRefusedWithoutAsking) {
  Owned<BIO> file(BIO_new_file((authority_.folder / "key.pem").c_str(), "w"));
  const std::string password = "secret";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(file.get(), authority_.key.get(), EVP_aes_128_cbc(),
                                          password.data(), static_cast<int>(password.size()),
                                          nullptr, nullptr),
            1);
  file.reset();
  EXPECT_USER_ERROR(open_authority(authority_.folder), "not encrypted");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(Certificates, VouchForTheCoordinatorsAddresses) {
  const Owned<X509> x = read_certificate(coordinator() / "certificate.pem");
  EXPECT_EQ(addresses_of(x.get()), (std::vector<std::string>{"192.168.1.5", "lab.local", "::1"}));
  EXPECT_EQ(X509_check_ip_asc(x.get(), "192.168.1.5", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(x.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_host(x.get(), "lab.local", 0, 0, nullptr), 1);
  EXPECT_NE(X509_check_ip_asc(x.get(), "192.168.1.6", 0), 1);
  EXPECT_NE(X509_check_host(x.get(), "other.local", 0, 0, nullptr), 1);
}

TEST_F(Certificates, SayWhoTheirHolderIs) {
  const IdentityCheck one =
      peer_identity(read_certificate(node("orin-1") / "certificate.pem").get());
  ASSERT_TRUE(one.identity) << one.refusal;
  EXPECT_EQ(one.identity->name, "orin-1");
  EXPECT_EQ(one.identity->role, Role::node);
  const IdentityCheck other =
      peer_identity(read_certificate(coordinator() / "certificate.pem").get());
  ASSERT_TRUE(other.identity) << other.refusal;
  EXPECT_EQ(other.identity->name, "coordinator");
  EXPECT_EQ(other.identity->role, Role::coordinator);
  EXPECT_FALSE(peer_identity(authority_.certificate.get()).identity);
  EXPECT_FALSE(peer_identity(nullptr).identity);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(Certificates, AreNotIssuedToUncleanNames) {
  for (const std::string& name :
       {std::string(), std::string("../../x"), std::string("a/b"), std::string("\x1b[31m"),
        std::string(65, 'a'), std::string("name\0evil", 9), std::string(".hidden"),
        std::string("-option"), std::string("a b"), std::string("a,DNS:b"),
        std::string("n\xc3\xa9")}) {
    EXPECT_FALSE(is_clean_name(name));
    EXPECT_USER_ERROR(
        issue(authority_, {.name = name, .validity = year_}, folder_.path() / "unclean"),
        "is no name for a certificate");
    EXPECT_USER_ERROR(make_authority(folder_.path() / "unclean", name, year_), "is no name");
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "unclean"));
  EXPECT_TRUE(is_clean_name(std::string(64, 'a')));
  EXPECT_TRUE(is_clean_name("Orin_2.lab-3"));
  EXPECT_EQ(verify(node(std::string(64, 'a'))), X509_V_OK);
}

TEST_F(Certificates, AreNotIssuedForUncleanAddresses) {
  for (const char* address : {"", "a b", "x,IP:1.2.3.4", "127.1", "0x7f000001", "fe80::1%eth0",
                              "-a.b", "a..b", "*.lab", "1.2.3.4.5"}) {
    EXPECT_USER_ERROR(
        issue(authority_,
              {.name = "c", .role = Role::coordinator, .addresses = {address}, .validity = year_},
              folder_.path() / "c"),
        "neither an address nor a host name");
  }
  EXPECT_USER_ERROR(issue(authority_, {.name = "c", .role = Role::coordinator, .validity = year_},
                          folder_.path() / "c"),
                    "a coordinator has addresses");
}

// Signed by the testbed's own authority, as if by mistake: only the content counts.
struct Forged {
  std::vector<std::string> common_names = {"orin-1"};
  std::vector<std::string> uris = {"convoy:node:orin-1"};
  const char* usage = "clientAuth";  // null: no usage
  const char* constraints = "critical,CA:FALSE";
};

Owned<X509> forge(const Authority& authority, const Forged& forged) {
  Owned<X509> x(X509_new());
  X509_set_version(x.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 7);
  X509_set_issuer_name(x.get(), X509_get_subject_name(authority.certificate.get()));
  for (const std::string& name : forged.common_names) {
    X509_NAME_add_entry_by_NID(X509_get_subject_name(x.get()), NID_commonName, V_ASN1_UTF8STRING,
                               reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
  }
  X509_gmtime_adj(X509_getm_notBefore(x.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 3600);
  X509_set_pubkey(x.get(), authority.key.get());
  if (!forged.uris.empty()) {
    const Owned<GENERAL_NAMES> names(sk_GENERAL_NAME_new_null());
    for (const std::string& uri : forged.uris) {
      GENERAL_NAME* name = GENERAL_NAME_new();
      ASN1_STRING* value = ASN1_STRING_type_new(V_ASN1_IA5STRING);
      ASN1_STRING_set(value, uri.data(), static_cast<int>(uri.size()));
      GENERAL_NAME_set0_value(name, GEN_URI, value);
      sk_GENERAL_NAME_push(names.get(), name);
    }
    X509_add1_ext_i2d(x.get(), NID_subject_alt_name, names.get(), 0, 0);
  }
  const auto extend = [&](int nid, const char* value) {
    if (value == nullptr) return;
    const Owned<X509_EXTENSION> e(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
    X509_add_ext(x.get(), e.get(), -1);
  };
  extend(NID_ext_key_usage, forged.usage);
  extend(NID_basic_constraints, forged.constraints);
  X509_sign(x.get(), authority.key.get(), EVP_sha256());
  // As a peer would send it, encoded as DER.
  unsigned char* der = nullptr;
  const int size = i2d_X509(x.get(), &der);
  const unsigned char* at = der;
  Owned<X509> read(d2i_X509(nullptr, &at, size));
  OPENSSL_free(der);
  return read;
}

TEST_F(Certificates, HostileIdentitiesAreRefused) {
  using std::string;
  EXPECT_TRUE(peer_identity(forge(authority_, {}).get()).identity);
  const auto both = [](const string& name) {
    return Forged{.common_names = {name}, .uris = {"convoy:node:" + name}};
  };
  const std::vector<Forged> hostile = {
      {.uris = {}},
      {.uris = {"convoy:node:orin-1", "convoy:node:orin-2"}},
      {.uris = {"convoy:node:orin-1", "convoy:coordinator"}},
      {.uris = {"convoy:node:orin-1", "http://example.org"}},
      {.uris = {"convoy:node:orin-2"}},
      {.uris = {"convoy:node:"}},
      {.uris = {"CONVOY:node:orin-1"}},
      {.uris = {"convoy:node:orin-1 "}},
      {.uris = {string("convoy:node:orin-1\0evil", 23)}},
      {.uris = {string("convoy:coordinator\0", 19)}},
      {.uris = {"convoy:coordinator"}},  // and a client's usage
      {.uris = {"http://example.org"}},
      {.uris = {string(10000, 'x')}},
      {.common_names = {}},
      {.common_names = {"orin-1", "orin-1"}},
      {.common_names = {"orin-2"}},
      {.common_names = {string("orin-1\0evil", 11)}},
      {.usage = "serverAuth"},
      {.usage = "clientAuth,serverAuth"},
      {.usage = "anyExtendedKeyUsage"},
      {.usage = nullptr},
      {.constraints = "critical,CA:TRUE"},
      both("../../x"),
      both("a/b"),
      both("\x1b[31m"),
      both(""),
      both(string("name\0evil", 9)),
      both(".."),
      both("n\xc3\xa9"),
  };
  for (std::size_t i = 0; i < hostile.size(); ++i) {
    const IdentityCheck check = peer_identity(forge(authority_, hostile[i]).get());
    EXPECT_FALSE(check.identity) << i;
    EXPECT_FALSE(check.refusal.empty()) << i;
    EXPECT_EQ(check.refusal, clean_for_log(check.refusal)) << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(Certificates, AnyBytesAreReadOrRefused) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(forge(authority_, {}).get(), &der);
  const std::vector<unsigned char> good(der, der + size);
  OPENSSL_free(der);
  std::mt19937 random(1);
  int read = 0;
  for (int i = 0; i < 5000; ++i) {
    std::vector<unsigned char> bad = good;
    for (int flips = 1 + i % 3; flips > 0; --flips) {
      bad[random() % bad.size()] = static_cast<unsigned char>(random());
    }
    const unsigned char* at = bad.data();
    const Owned<X509> x(d2i_X509(nullptr, &at, static_cast<long>(bad.size())));
    ERR_clear_error();
    if (x == nullptr) continue;
    ++read;
    const IdentityCheck check = peer_identity(x.get());
    ASSERT_EQ(check.identity.has_value(), check.refusal.empty());
    if (check.identity) {
      ASSERT_TRUE(is_clean_name(check.identity->name));
    }
    static_cast<void>(addresses_of(x.get()));
    ASSERT_EQ(ERR_peek_error(), 0U);
  }
  EXPECT_GT(read, 500);
}

TEST(Names, TextOfAPeerIsMadeFitForALog) {
  EXPECT_EQ(clean_for_log("all well"), "all well");
  const std::string hostile("a\x1b[31m\n\xc3\xa9\0b\x7f", 12);
  EXPECT_EQ(clean_for_log(hostile), "a?[31m" + std::string(4, '?') + "b?");
  EXPECT_EQ(clean_for_log(std::string(200, 'x')), std::string(200, 'x'));
  EXPECT_EQ(clean_for_log(std::string(201, 'x')), fmt::format("{}...", std::string(197, 'x')));
}

class Files : public testing::Test {
 protected:
  void TearDown() override { ::umask(mask_); }
  static mode_t mode(const std::filesystem::path& file) {
    struct stat facts {};
    EXPECT_EQ(::lstat(file.c_str(), &facts), 0) << file;
    return facts.st_mode & 07777U;
  }
  TemporaryFolder folder_;
  mode_t mask_ = ::umask(022);
};

TEST_F(Files, HaveTheirModeWhateverTheMask) {
  for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{077}, mode_t{0777}}) {
    const auto place = folder_.path() / std::to_string(mask);
    ::umask(mask);
    const Authority authority = make_authority(place, "lab", valid_for_days(10));
    issue(authority, {.name = "orin-1", .validity = valid_for_days(10)}, place / "orin-1");
    ::umask(022);
    EXPECT_EQ(mode(place), 0700U);
    EXPECT_EQ(mode(place / "issued"), 0700U);
    EXPECT_EQ(mode(place / "orin-1"), 0700U);
    EXPECT_EQ(mode(place / "key.pem"), 0600U);
    EXPECT_EQ(mode(place / "orin-1" / "key.pem"), 0600U);
    EXPECT_EQ(mode(place / "certificate.pem"), 0644U);
    EXPECT_EQ(mode(place / "crl.pem"), 0644U);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
      EXPECT_NE(entry.path().extension(), ".new") << "a draft was left behind";
    }
  }
}

TEST_F(Files, AreNeverOverwrittenUnasked) {
  const auto file = folder_.path() / "file";
  write_file(file, "first", private_file);
  EXPECT_USER_ERROR(write_file(file, "second", private_file), "is there already");
  EXPECT_EQ(read_file(file, 100), "first");
  write_file(file, "second", public_file, Existing::replace);
  EXPECT_EQ(read_file(file, 100), "second");
  EXPECT_EQ(mode(file), 0644U);

  // A link at the place of a file is neither followed nor replaced.
  const auto victim = folder_.path() / "victim";
  std::filesystem::create_symlink(victim, folder_.path() / "link");
  EXPECT_USER_ERROR(write_file(folder_.path() / "link", "secret", private_file),
                    "is there already");
  EXPECT_FALSE(std::filesystem::exists(victim));

  const Authority authority =
      make_authority(folder_.path() / "authority", "lab", valid_for_days(10));
  EXPECT_USER_ERROR(make_authority(authority.folder, "lab", valid_for_days(10)),
                    "is there already");
  std::filesystem::create_directory(folder_.path() / "orin-1");
  EXPECT_USER_ERROR(issue(authority, {.name = "orin-1", .validity = valid_for_days(10)},
                          folder_.path() / "orin-1"),
                    "is there already");
  EXPECT_USER_ERROR(write_file(folder_.path() / "none" / "file", "x", public_file),
                    "cannot be written");
}

TEST_F(Files, KeysThatOthersMayReadAreRefused) {
  const auto key = folder_.path() / "key.pem";
  write_file(key, "key", private_file);
  EXPECT_NO_THROW(check_key_file(key));
  for (const mode_t bad : {mode_t{0640}, mode_t{0604}, mode_t{0644}, mode_t{0620}, mode_t{0666}}) {
    ASSERT_EQ(::chmod(key.c_str(), bad), 0);
    EXPECT_USER_ERROR(check_key_file(key), "chmod 600 " + key.string());
    EXPECT_USER_ERROR(read_key_file(key), "chmod 600 " + key.string());
  }
  ASSERT_EQ(::chmod(key.c_str(), 0400), 0);
  EXPECT_NO_THROW(check_key_file(key));
  EXPECT_USER_ERROR(check_key_file(folder_.path()), "is no plain file");
  EXPECT_USER_ERROR(check_key_file(folder_.path() / "none"), "cannot be read");
  const auto pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_USER_ERROR(read_key_file(pipe), "is no plain file");
  EXPECT_USER_ERROR(read_file(key, 2), "longer than 2 bytes");
}

TEST_F(Files, AFolderIsChangedByOneCommandAtATime) {
  const base::FolderLock lock(folder_.path());
  EXPECT_USER_ERROR(base::FolderLock(folder_.path()), "another command is at work");
}

}  // namespace
}  // namespace convoy::testbed
