// Tests the coordinator's listener: which agents are accepted, and why others are refused.

#include "hil/protocol/listener.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "hil/protocol/tls.hpp"
#include "testbed/certificates.hpp"
#include "testbed/revocation.hpp"
#include "testbed/setup.hpp"
#include "tests/hil/protocol/support.hpp"
#include "tests/testbed/support.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;
using std::filesystem::path;
using test::Bytes;
using test::bytes_of;
using test::End;
using test::frame;
using test::RawPeer;
using test::run_dry;
using test::run_until;
using test::operator+;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

wire::HelloT hello_of(const std::string& name) {
  wire::HelloT hello;
  hello.protocol_min = hello.protocol_max = protocol_version;
  hello.name = name;
  return hello;
}

class Door : public testing::Test {
 protected:
  struct Turned {
    std::string name;
    std::string why;
  };

  // Listens at a free port; gives the address.
  tcp::endpoint open(testbed::Inventory inventory, std::chrono::milliseconds patience = 60s) {
    inventory.listen.host = "127.0.0.1";
    for (int attempt = 1;; ++attempt) {
      tcp::acceptor probe(io_, {asio::ip::address_v4::loopback(), 0});
      const tcp::endpoint free = probe.local_endpoint();
      probe.close();
      inventory.listen.port = free.port();
      try {
        listener_ = std::make_unique<Listener>(
            io_, inventory,
            [this](const std::shared_ptr<Connection>& connection, const wire::HelloT& hello) {
              welcomed_.push_back(hello.name);
              device_ = hello.device;
              inside_.push_back(connection);
              if (on_welcome_) on_welcome_();
            },
            [this](const std::string& name, const std::string& from, const std::string& why) {
              EXPECT_THAT(from, HasSubstr("127.0.0.1:"));
              turned_.push_back({name, why});
              if (on_turned_) on_turned_();
            },
            patience);
        return free;
      } catch (const base::UserError&) {
        if (attempt == 10) throw;  // another process took the port
      }
    }
  }
  static testbed::Inventory insecure() {
    testbed::Inventory inventory;
    inventory.insecure = true;
    return inventory;
  }
  tcp::socket connect(const tcp::endpoint& to) {
    tcp::socket socket(io_);
    socket.connect(to);
    return socket;
  }
  bool until(const std::function<bool()>& so) { return run_until(io_, so); }
  void TearDown() override {
    EXPECT_EQ(listener_ != nullptr, has_listener_);
    listener_.reset();
    for (const auto& connection : inside_) connection->close("the test ends");
    // Handlers and connections that nobody owns hold each other; running the context frees them.
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  std::unique_ptr<Listener> listener_;
  bool has_listener_ = true;  // expected at the end of the test
  std::vector<std::string> welcomed_;
  std::string device_;  // device of the last accepted agent
  std::vector<std::shared_ptr<Connection>> inside_;
  std::vector<Turned> turned_;
  std::function<void()> on_welcome_;
  std::function<void()> on_turned_;
};

// --- certificates --------------------------------------------------------------------------------

class SecureDoor : public Door {
 protected:
  SecureDoor() {
    testbed::InitRequest request;
    request.folder = root_;
    request.nodes = testbed::parse_nodes("orin-1,nano-1");
    request.listen = {"127.0.0.1", 7700};
    testbed::init_testbed(request);
    authority_ = testbed::open_authority(root_ / "authority");
  }
  testbed::Inventory inventory() {
    base::Diagnostics problems;
    const auto read = testbed::read_inventory(root_ / "inventory.toml", problems);
    EXPECT_TRUE(read) << problems.str();
    return read.value_or(testbed::Inventory{});
  }
  [[nodiscard]] Credentials bundle(const std::string& name) const {
    const path at = name == "coordinator" ? root_ / name : root_ / "nodes" / name;
    return {at / "certificate.pem", at / "key.pem", root_ / "authority" / "certificate.pem", ""};
  }
  path issued(const testbed::Authority& authority, const testbed::CertificateRequest& request) {
    const path at = folder_.path() / ("bundle-" + std::to_string(++bundles_));
    testbed::issue(authority, request, at);
    return at;
  }
  // A TLS client that accepts any server.
  using Context = std::shared_ptr<asio::ssl::context>;
  static Context client(const path& place) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    if (!place.empty()) {
      context->use_certificate_chain_file((place / "certificate.pem").string());
      context->use_private_key_file((place / "key.pem").string(), asio::ssl::context::pem);
    }
    context->set_verify_mode(asio::ssl::verify_none);
    return context;
  }
  // Connects and sends Hello. Null if the handshake failed.
  std::unique_ptr<End> knock(const tcp::endpoint& door, const Context& context,
                             wire::HelloT hello) {
    auto stream = std::make_unique<Stream>(connect(door), context);
    std::optional<std::string> failure;
    stream->handshake(testbed::Role::node, [&](const std::string& why) { failure = why; });
    EXPECT_TRUE(until([&] { return failure.has_value(); }));
    if (!failure->empty()) return nullptr;
    auto end = std::make_unique<End>(std::move(stream));
    end->start();
    end->connection->send(std::move(hello));
    return end;
  }
  // Expects that an agent with these credentials is refused for this reason, before its name is
  // used.
  void expect_refused(const Context& context, const std::string& why) {
    const tcp::endpoint door = open(inventory());
    const auto end = knock(door, context, hello_of("orin-1"));
    ASSERT_TRUE(until([&] { return !turned_.empty(); }));
    EXPECT_THAT(turned_.front().why, HasSubstr(why));
    EXPECT_EQ(turned_.front().name, "");
    EXPECT_TRUE(until([&] { return end == nullptr || end->is_closed(); }));
    EXPECT_THAT(welcomed_, IsEmpty());
    EXPECT_THAT(turned_, SizeIs(1));
  }

  convoy::test::TemporaryFolder folder_;
  path root_ = folder_.path() / "lab";
  testbed::Authority authority_;
  int bundles_ = 0;
};

TEST_F(SecureDoor, LetsAProperNodeIn) {
  const tcp::endpoint door = open(inventory());
  wire::HelloT hello = hello_of("orin-1");
  hello.protocol_max = 9;
  hello.device = "a\x1b[31m\nb" + std::string(1000, 'x');
  const auto end =
      knock(door, tls_context(bundle("orin-1"), testbed::Role::node), std::move(hello));
  ASSERT_TRUE(end);
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
  EXPECT_THAT(welcomed_, ElementsAre("orin-1"));
  EXPECT_EQ(device_.substr(0, 9), "a?[31m?bx");
  EXPECT_LE(device_.size(), 200U);
  EXPECT_EQ(end->connection->stream().peer().identity->role, testbed::Role::coordinator);
  EXPECT_EQ(inside_.front()->stream().peer().identity->name, "orin-1");
  inside_.front()->send(wire::WelcomeT());
  ASSERT_TRUE(until([&] { return end->heard("Welcome") == 1; }));
  // After the listener's end, accepted agents stay connected.
  listener_.reset();
  has_listener_ = false;
  inside_.front()->send(wire::SetupT());
  ASSERT_TRUE(until([&] { return end->heard("Setup") == 1; }));
  EXPECT_THAT(turned_, IsEmpty());
}

TEST_F(SecureDoor, RefusesExpiredCertificates) {
  const testbed::Time today = testbed::now();
  expect_refused(
      client(issued(authority_, {.name = "orin-1", .validity = {today - 72h, today - 48h}})),
      "not accepted: certificate has expired");
}
TEST_F(SecureDoor, RefusesCertificatesOfTheFuture) {
  const testbed::Time today = testbed::now();
  expect_refused(
      client(issued(authority_, {.name = "orin-1", .validity = {today + 48h, today + 72h}})),
      "not accepted: certificate is not yet valid");
}
TEST_F(SecureDoor, RefusesCertificatesOfAForeignAuthority) {
  const testbed::Authority foreign =
      testbed::make_authority(folder_.path() / "foreign", "lab", testbed::valid_for_days(10));
  expect_refused(
      client(issued(foreign, {.name = "orin-1", .validity = testbed::valid_for_days(10)})),
      "its certificate is not accepted");
}
TEST_F(SecureDoor, RefusesTheAuthoritysOwnCertificate) {
  expect_refused(client(root_ / "authority"), "its certificate is not accepted");
}
TEST_F(SecureDoor, RefusesRevokedCertificates) {
  const path again =
      issued(authority_, {.name = "orin-1", .validity = testbed::valid_for_days(10)});
  testbed::revoke(root_ / "authority", "orin-1");
  expect_refused(client(again), "not accepted: certificate revoked");
}
TEST_F(SecureDoor, RefusesTheCoordinatorsCertificate) {
  expect_refused(client(root_ / "coordinator"), "its certificate is not accepted");
}
TEST_F(SecureDoor, RefusesWhoHasNoCertificate) {
  expect_refused(client(""), "no TLS 1.3 connection came about");
}
TEST_F(SecureDoor, RefusesOldVersionsOfTls) {
  const Context old = client(root_ / "nodes" / "orin-1");
  SSL_CTX_set_min_proto_version(old->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(old->native_handle(), TLS1_2_VERSION);
  expect_refused(old, "no TLS 1.3 connection came about");
}

TEST_F(SecureDoor, RefusesCertificatesThatNameNobody) {
  // Signed by the authority, but without the URI.
  const path place =
      issued(authority_, {.name = "orin-1", .validity = testbed::valid_for_days(10)});
  const testbed::Owned<X509> certificate = testbed::read_certificate(place / "certificate.pem");
  const int at = X509_get_ext_by_NID(certificate.get(), NID_subject_alt_name, -1);
  const testbed::Owned<X509_EXTENSION> removed(
      testbed::need(X509_delete_ext(certificate.get(), at)));
  testbed::need(X509_sign(certificate.get(), authority_.key.get(), EVP_sha256()));
  {
    const testbed::Owned<BIO> file(
        testbed::need(BIO_new_file((place / "certificate.pem").c_str(), "w")));
    testbed::need(PEM_write_bio_X509(file.get(), certificate.get()));
  }
  expect_refused(client(place), "not exactly one URI");
}

TEST_F(SecureDoor, RefusesWhoDoesWithoutTls) {
  const tcp::endpoint door = open(inventory());
  RawPeer peer(connect(door));
  peer.send(frame(hello_of("orin-1")));
  ASSERT_TRUE(until([&] { return !turned_.empty(); }));
  EXPECT_THAT(turned_.front().why, HasSubstr("no TLS 1.3 connection came about"));
  EXPECT_THAT(welcomed_, IsEmpty());
}

TEST_F(SecureDoor, RefusesWhoClaimsAnothersName) {
  const tcp::endpoint door = open(inventory());
  const auto end =
      knock(door, tls_context(bundle("orin-1"), testbed::Role::node), hello_of("nano-1"));
  ASSERT_TRUE(end);
  std::string reason;
  bool for_good = false;
  end->also = [&](const wire::Message& message) {
    reason = message.body_as_Refused()->reason()->str();
    for_good = message.body_as_Refused()->for_good();
  };
  ASSERT_TRUE(until([&] { return end->is_closed(); }));
  EXPECT_THAT(reason, HasSubstr("says that it is \"nano-1\""));
  EXPECT_TRUE(for_good);
  ASSERT_THAT(turned_, SizeIs(1));
  EXPECT_EQ(turned_.front().name, "orin-1");
  EXPECT_EQ(turned_.front().why, reason);
  EXPECT_THAT(welcomed_, IsEmpty());
}

TEST_F(SecureDoor, RefusesWhoIsNotInTheInventory) {
  const path ghost = issued(authority_, {.name = "ghost", .validity = testbed::valid_for_days(10)});
  const tcp::endpoint door = open(inventory());
  const auto end = knock(door, client(ghost), hello_of("ghost"));
  ASSERT_TRUE(until([&] { return end->is_closed(); }));
  EXPECT_EQ(end->heard("Refused"), 1);
  ASSERT_THAT(turned_, SizeIs(1));
  EXPECT_EQ(turned_.front().why, "\"ghost\" is not in the inventory");
}

TEST_F(SecureDoor, HasPatienceButNotForEver) {
  const tcp::endpoint door = open(inventory(), 200ms);
  RawPeer silent(connect(door));  // not even a TLS handshake
  ASSERT_TRUE(until([&] { return turned_.size() == 1; }));
  // A TLS handshake, but no Hello.
  auto stream = std::make_unique<Stream>(connect(door), client(root_ / "nodes" / "orin-1"));
  std::optional<std::string> failure;
  stream->handshake(testbed::Role::node, [&](const std::string& why) { failure = why; });
  ASSERT_TRUE(until([&] { return turned_.size() == 2; }));
  EXPECT_EQ(failure, "");
  EXPECT_EQ(turned_.back().name, "orin-1");
  EXPECT_THAT(turned_.back().why, HasSubstr("does not say who it is"));
}

// --- keys ----------------------------------------------------------------------------------------

TEST_F(SecureDoor, NeedsAKeyThatNobodyElseReads) {
  EXPECT_NO_THROW(tls_context(bundle("orin-1"), testbed::Role::node));
  const path key = bundle("orin-1").key;
  for (const auto others : {std::filesystem::perms::group_read, std::filesystem::perms::others_read,
                            std::filesystem::perms::others_write}) {
    std::filesystem::permissions(key, others, std::filesystem::perm_options::add);
    EXPECT_USER_ERROR(tls_context(bundle("orin-1"), testbed::Role::node),
                      "chmod 600 " + key.string());
    std::filesystem::permissions(key, others, std::filesystem::perm_options::remove);
  }
  const testbed::Inventory open_to_all = inventory();
  std::filesystem::permissions(open_to_all.key, std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  EXPECT_USER_ERROR(open(open_to_all), "coordinator/key.pem");
  has_listener_ = false;
}

TEST_F(SecureDoor, NeedsFilesThatBelongTogether) {
  const auto refused = [&](const std::function<void(Credentials&)>& change, const std::string& why,
                           testbed::Role role = testbed::Role::node) {
    Credentials changed = bundle("orin-1");
    change(changed);
    EXPECT_USER_ERROR(tls_context(changed, role), why);
  };
  refused([&](Credentials& c) { c.key = bundle("nano-1").key; }, "nano-1/key.pem");
  refused([](Credentials& c) { c.key = "/nowhere/key.pem"; }, "/nowhere/key.pem");
  refused([](Credentials& c) { c.certificate = "/nowhere/c.pem"; }, "/nowhere/c.pem");
  refused([](Credentials& c) { c.authority = "/nowhere/a.pem"; }, "/nowhere/a.pem");
  refused([](Credentials& c) { c.certificate = c.key; }, "key.pem: cannot be used");
  refused([](Credentials& c) { c.revoked = c.certificate; }, "no list of revoked certificates");
  refused([](Credentials&) {}, "is a node's certificate, expected a coordinator's",
          testbed::Role::coordinator);
  refused([&](Credentials& c) { c = bundle("coordinator"); },
          "is a coordinator's certificate, expected a node's");
  const testbed::Authority foreign =
      testbed::make_authority(folder_.path() / "foreign", "lab", testbed::valid_for_days(10));
  refused([&](Credentials& c) { c.authority = foreign.folder / "certificate.pem"; },
          "is not of the authority");
  const testbed::Time today = testbed::now();
  const path old = issued(authority_, {.name = "orin-1", .validity = {today - 72h, today - 48h}});
  refused([&](Credentials& c) { c.certificate = old / "certificate.pem", c.key = old / "key.pem"; },
          "ended on " + testbed::date_of(today - 48h));
  // A late clock does not make a certificate invalid.
  const path young = issued(authority_, {.name = "orin-1", .validity = {today + 48h, today + 72h}});
  Credentials credentials = bundle("orin-1");
  credentials.certificate = young / "certificate.pem";
  credentials.key = young / "key.pem";
  EXPECT_NO_THROW(tls_context(credentials, testbed::Role::node));
  has_listener_ = false;
}

// --- words ---------------------------------------------------------------------------------------

class OpenDoor : public Door {
 protected:
  std::unique_ptr<End> knock(const tcp::endpoint& door, wire::HelloT hello) {
    auto end = std::make_unique<End>(connect(door));
    end->start();
    end->connection->send(std::move(hello));
    return end;
  }
};

TEST_F(OpenDoor, LetsInWhoIsInTheInventoryOrAnybody) {
  testbed::Inventory inventory = insecure();
  inventory.nodes = {{"orin-1", ""}};
  tcp::endpoint door = open(inventory);
  const auto first = knock(door, hello_of("orin-1"));
  const auto second = knock(door, hello_of("nano-1"));
  ASSERT_TRUE(until([&] { return second->is_closed() && !welcomed_.empty(); }));
  EXPECT_THAT(welcomed_, ElementsAre("orin-1"));
  ASSERT_THAT(turned_, SizeIs(1));
  EXPECT_EQ(turned_.front().name, "nano-1");
  door = open(insecure());
  const auto third = knock(door, hello_of("nano-1"));
  ASSERT_TRUE(until([&] { return welcomed_.size() == 2; }));
}

TEST_F(OpenDoor, WantsAProperName) {
  const tcp::endpoint door = open(insecure());
  const std::vector<std::string> names = {"",
                                          "..",
                                          "-x",
                                          "a/b",
                                          "a b",
                                          "\x1b[31m",
                                          "a\n",
                                          "n\xc3\xb6",
                                          std::string("a\0b", 3),
                                          std::string(65, 'a')};
  for (const std::string& name : names) {
    turned_.clear();
    const auto end = knock(door, hello_of(name));
    ASSERT_TRUE(until([&] { return end->is_closed(); })) << name;
    EXPECT_EQ(end->heard("Refused"), 1);
    ASSERT_THAT(turned_, SizeIs(1));
    EXPECT_EQ(turned_.front().why, "it gives no proper name");
    for (const char c : turned_.front().name) EXPECT_TRUE(c >= ' ' && c <= '~') << name;
  }
  EXPECT_THAT(welcomed_, IsEmpty());
}

TEST_F(OpenDoor, WantsItsOwnProtocol) {
  const tcp::endpoint door = open(insecure());
  const std::vector<std::pair<int, int>> spoken = {
      {0, 0}, {1, 1}, {3, 3}, {4, 4}, {protocol_version + 1, 65535}, {5, 1}, {65535, 0}};
  for (const auto& [min, max] : spoken) {
    turned_.clear();
    wire::HelloT hello = hello_of("orin-1");
    hello.protocol_min = static_cast<std::uint16_t>(min);
    hello.protocol_max = static_cast<std::uint16_t>(max);
    const auto end = knock(door, std::move(hello));
    bool for_good = false;
    end->also = [&](const wire::Message& message) {
      for_good = message.body_as_Refused() != nullptr && message.body_as_Refused()->for_good();
    };
    ASSERT_TRUE(until([&] { return end->is_closed(); }));
    EXPECT_TRUE(for_good);
    ASSERT_THAT(turned_, SizeIs(1));
    EXPECT_THAT(turned_.front().why, HasSubstr("it speaks protocol"));
  }
  EXPECT_THAT(welcomed_, IsEmpty());
}

TEST_F(OpenDoor, WantsAHelloFirst) {
  const tcp::endpoint door = open(insecure());
  wire::OfferT offer;
  offer.transfer = 1;
  offer.header = "{}";
  wire::OfferT large = offer;
  large.bytes = 8;
  wire::SetupT setup;
  setup.toml = std::string(70'000, 'x');
  wire::PongT pong;
  pong.sent_ns = -1;
  const std::vector<std::pair<Bytes, std::string>> words = {
      {frame(wire::ReadyT()), "first word is no hello"},
      {frame(wire::WelcomeT()), "first word is no hello"},
      {frame(std::move(offer)), "first word is no hello"},
      {frame(std::move(large)), "an offer of 8 bytes, more than 0"},
      {frame(std::move(setup)), "more than 65536"},
      {frame(std::move(pong)), "an answer to no ping"},
      {frame(hello_of("orin-1"), bytes_of("more")), "a payload after Hello"},
      {bytes_of("\x16\x03\x01\x02\x01\x01\x00\x01\xfc\x03\x03 and thirty-two of these"),
       "no frame of Convoy's"},
  };
  for (const auto& [bytes, why] : words) {
    turned_.clear();
    RawPeer peer(connect(door));
    peer.send(bytes + frame(hello_of("orin-1")));
    ASSERT_TRUE(until([&] { return !turned_.empty(); })) << why;
    EXPECT_THAT(turned_.front().why, HasSubstr(why));
  }
  turned_.clear();
  {
    RawPeer peer(connect(door));
    peer.end_sending();
    ASSERT_TRUE(until([&] { return !turned_.empty(); }));
    EXPECT_EQ(turned_.front().why, "the peer closed the connection");
  }
  EXPECT_THAT(welcomed_, IsEmpty());
}

// A list whose elements of four bytes all refer to the same text of 30 KB.
TEST_F(OpenDoor, IsNotFilledWithCopies) {
  const tcp::endpoint door = open(insecure());
  flatbuffers::FlatBufferBuilder builder;
  const auto text = builder.CreateString(std::string(30'000, 'x'));
  const auto name = builder.CreateString("orin-1");
  const auto missing =
      builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>(8000, text));
  wire::HelloBuilder hello(builder);
  hello.add_protocol_min(protocol_version);
  hello.add_protocol_max(protocol_version);
  hello.add_name(name);
  hello.add_missing(missing);
  const auto body = hello.Finish();
  builder.Finish(wire::CreateMessage(builder, wire::Body::Hello, body.Union()),
                 wire::MessageIdentifier());
  const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  const Bytes message(begin, begin + builder.GetSize());
  ASSERT_LT(message.size(), 64U << 10U);
  RawPeer peer(connect(door));
  peer.send(test::frame_of(message));
  ASSERT_TRUE(until([&] { return !turned_.empty(); }));
  EXPECT_THAT(turned_.front().why, HasSubstr("its hello is too long"));
  EXPECT_THAT(welcomed_, IsEmpty());
}

TEST_F(OpenDoor, HasPatienceButNotWithWhoOnlyBreathes) {
  const tcp::endpoint door = open(insecure(), 300ms);
  End end(connect(door));
  end.start(20ms, 1h);  // sends pings
  ASSERT_TRUE(until([&] { return end.is_closed(); }));
  ASSERT_THAT(turned_, SizeIs(1));
  EXPECT_EQ(turned_.front().why, "it does not say who it is");
}

// Silent connections, none of which makes a handshake.
TEST_F(SecureDoor, ACrowdKeepsNobodyOut) {
  const tcp::endpoint door = open(inventory());
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(connect(door));
    io_.restart();
    io_.poll();
  }
  const auto good =
      knock(door, tls_context(bundle("orin-1"), testbed::Role::node), hello_of("orin-1"));
  ASSERT_TRUE(good);
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
  EXPECT_THAT(welcomed_, ElementsAre("orin-1"));
  for (const Turned& turned : turned_) EXPECT_THAT(turned.why, HasSubstr("made way"));
}

// --- a crowd at the door -------------------------------------------------------------------------

class Crowd : public OpenDoor, public testing::WithParamInterface<int> {
 protected:
  Crowd() {
    // This process needs descriptors for the crowd, too.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  // Connections that stay open without sending a byte.
  void crowd(const tcp::endpoint& door, int count) {
    for (int i = 0; i < count; ++i) {
      silent_.push_back(connect(door));
      io_.restart();
      io_.poll();
    }
  }
  // A connection that sends a message but no Hello, from its own address.
  std::unique_ptr<End> talker(const tcp::endpoint& door, const char* from = "127.0.0.1") {
    tcp::socket socket(io_, tcp::v4());
    socket.bind({asio::ip::make_address(from), 0});
    socket.connect(door);
    auto end = std::make_unique<End>(std::move(socket));
    end->start();
    // It is accepted by the listener when its ping is answered.
    EXPECT_TRUE(until([&] { return end->connection->round_trip_s().has_value(); }));
    return end;
  }
  // Prints how long it took. Who is let in only when the strangers' time is up would take 15 s.
  static void expect_at_once(std::chrono::steady_clock::time_point begin) {
    const auto took = std::chrono::steady_clock::now() - begin;
    fmt::print("in after {:.1f} ms\n", std::chrono::duration<double, std::milli>(took).count());
    EXPECT_LT(took, 12s);
  }
  std::vector<tcp::socket> silent_;
};

TEST_P(Crowd, OfSilentStrangersKeepsNobodyOut) {
  const tcp::endpoint door = open(insecure());
  crowd(door, GetParam());
  const auto begin = std::chrono::steady_clock::now();
  const auto good = knock(door, hello_of("orin-1"));
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
  EXPECT_THAT(welcomed_, ElementsAre("orin-1"));
  expect_at_once(begin);
  EXPECT_FALSE(good->is_closed());
  // Later connections, and those that were pushed out, change nothing.
  crowd(door, GetParam());
  inside_.front()->send(wire::WelcomeT());
  ASSERT_TRUE(until([&] { return good->heard("Welcome") == 1; }));
  for (const Turned& turned : turned_) EXPECT_THAT(turned.why, HasSubstr("made way"));
}

// Silent connections do not push out a connection that has sent something.
TEST_P(Crowd, OfSilentStrangersPushesNobodyOut) {
  const tcp::endpoint door = open(insecure());
  const auto good = talker(door);
  crowd(door, GetParam());
  good->connection->send(hello_of("orin-1"));
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
}

TEST_P(Crowd, OfTalkersKeepsNobodyOut) {
  const tcp::endpoint door = open(insecure());
  std::vector<std::unique_ptr<End>> talkers;
  for (int i = 0; i < GetParam(); ++i) talkers.push_back(talker(door));
  const auto good = knock(door, hello_of("orin-1"));
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
  // The connection that had waited longest was closed.
  ASSERT_TRUE(until([&] { return talkers.front()->is_closed(); }));
  EXPECT_FALSE(talkers.back()->is_closed());
}

TEST_P(Crowd, OfOneHostDoesNotPushOutAnother) {
  const tcp::endpoint door = open(insecure());
  const auto good = talker(door, "127.0.0.2");
  std::vector<std::unique_ptr<End>> talkers;
  for (int i = 0; i < GetParam(); ++i) talkers.push_back(talker(door));
  EXPECT_FALSE(good->is_closed());
  good->connection->send(hello_of("orin-1"));
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Sizes, Crowd, testing::Values(64, 200, 1000));

// A refused connection that stays open needs a place like all others.
TEST_F(Crowd, OfTheRefusedKeepsNobodyOut) {
  const tcp::endpoint door = open(insecure());
  std::vector<RawPeer> refused;
  for (int i = 0; i < 200; ++i) {
    refused.emplace_back(connect(door));
    refused.back().send(frame(hello_of("no name")));
    ASSERT_TRUE(until([&] { return std::cmp_greater(turned_.size(), i); }));
  }
  const auto good = knock(door, hello_of("orin-1"));
  ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
  int there = 0;
  for (RawPeer& peer : refused) {
    // All but the last were closed: their end or reset can be read.
    peer.socket().non_blocking(true);
    error_code failure;
    Bytes some(1 << 16);
    while (!failure) peer.socket().read_some(asio::buffer(some), failure);
    if (failure == asio::error::would_block) ++there;
  }
  EXPECT_LE(there, 64);
}

TEST_F(OpenDoor, HasLittlePatienceWithWhoSaysNothing) {
  const tcp::endpoint door = open(insecure(), 400ms);
  RawPeer silent(connect(door));
  ASSERT_TRUE(until([&] { return !turned_.empty(); }));
  EXPECT_EQ(turned_.front().why, "it says nothing");
}

TEST_F(OpenDoor, StaysOpenWhateverBecomesOfOneWhoCame) {
  const tcp::endpoint door = open(insecure());
  on_turned_ = [] { throw std::runtime_error("an accident"); };
  int accidents = 0;
  const auto so = [&](const std::function<bool()>& is) {
    for (;;) {
      try {
        return until(is);
      } catch (const std::runtime_error&) {
        ++accidents;
      }
    }
  };
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 70; ++i) silent.push_back(connect(door));
  std::vector<std::unique_ptr<End>> talkers;
  for (int i = 0; i < 66; ++i) {
    talkers.push_back(std::make_unique<End>(connect(door)));
    talkers.back()->start();
    ASSERT_TRUE(so([&] { return talkers.back()->connection->round_trip_s().has_value(); }));
  }
  EXPECT_GT(accidents, 0);
  const auto good = knock(door, hello_of("orin-1"));
  ASSERT_TRUE(so([&] { return !welcomed_.empty(); }));
  on_turned_ = {};
}

TEST_F(OpenDoor, ClosesWhileSomebodyIsMet) {
  has_listener_ = false;
  {
    on_welcome_ = [&] { listener_.reset(); };
    const auto end = knock(open(insecure()), hello_of("orin-1"));
    ASSERT_TRUE(until([&] { return !welcomed_.empty(); }));
    inside_.front()->send(wire::WelcomeT());
    ASSERT_TRUE(until([&] { return end->heard("Welcome") == 1; }));
  }
  {
    on_turned_ = [&] { listener_.reset(); };
    const auto end = knock(open(insecure()), hello_of("no name"));
    ASSERT_TRUE(until([&] { return end->is_closed(); }));
    EXPECT_THAT(turned_, SizeIs(1));
  }
  {
    // A connection that has not sent a byte also gets the reason.
    End late(connect(open(insecure())));
    late.start();
    ASSERT_TRUE(until([&] { return late.connection->round_trip_s().has_value(); }));
    listener_.reset();
    late.connection->send(hello_of("orin-1"));
    ASSERT_TRUE(until([&] { return late.is_closed(); }));
    EXPECT_EQ(late.heard("Refused"), 1);
  }
  EXPECT_THAT(welcomed_, SizeIs(1));
  EXPECT_THAT(turned_, SizeIs(1));
}

TEST_F(OpenDoor, IsOnTheLoopbackOnlyAndOnePerAddress) {
  has_listener_ = false;
  testbed::Inventory inventory = insecure();
  inventory.listen = {"0.0.0.0", 7700};
  EXPECT_USER_ERROR(Listener(io_, inventory, {}, {}), "loopback addresses only");
  tcp::acceptor taken(io_, {asio::ip::address_v4::loopback(), 0});
  inventory.listen = {"127.0.0.1", taken.local_endpoint().port()};
  EXPECT_USER_ERROR(Listener(io_, inventory, {}, {}), "cannot be listened on");
}

}  // namespace
}  // namespace convoy::hil
