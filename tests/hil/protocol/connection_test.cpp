// Tests two connections against each other, with and without TLS.

#include "hil/protocol/connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hil/protocol/tls.hpp"
#include "testbed/setup.hpp"
#include "tests/hil/protocol/support.hpp"
#include "tests/support/files.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;
using test::Box;
using test::End;
using test::frame;
using test::large;
using test::parcel_of;
using test::RawPeer;
using test::run_dry;
using test::run_until;
using testing::ElementsAre;
using testing::HasSubstr;

// --- two connections -----------------------------------------------------------------------------

enum class Security { plain, tls };

class TwoEnds : public testing::TestWithParam<Security> {
 protected:
  TwoEnds() {
    auto sockets = test::socket_pair(io_);
    std::shared_ptr<asio::ssl::context> server;
    std::shared_ptr<asio::ssl::context> client;
    if (GetParam() == Security::tls) {
      const std::filesystem::path root = folder_.path() / "lab";
      testbed::InitRequest request;
      request.folder = root;
      request.nodes = testbed::parse_nodes("orin-1");
      request.listen = {"127.0.0.1", 7700};
      testbed::init_testbed(request);
      server = context(root / "coordinator", root, testbed::Role::coordinator);
      client = context(root / "nodes" / "orin-1", root, testbed::Role::node);
    }
    auto at_server = std::make_unique<Stream>(std::move(sockets.first), server);
    auto at_client = std::make_unique<Stream>(std::move(sockets.second), client);
    int met = 0;
    const auto meet = [&](const std::string& failure) {
      EXPECT_EQ(failure, "");
      ++met;
    };
    at_server->handshake(testbed::Role::coordinator, meet);
    at_client->handshake(testbed::Role::node, meet);
    EXPECT_TRUE(run_until(io_, [&] { return met == 2; }));
    if (GetParam() == Security::tls) {
      EXPECT_EQ(at_server->peer().identity->name, "orin-1");
      EXPECT_EQ(at_client->peer().identity->role, testbed::Role::coordinator);
    }
    a_ = std::make_unique<End>(std::move(at_server));
    b_ = std::make_unique<End>(std::move(at_client));
  }
  static std::shared_ptr<asio::ssl::context> context(const std::filesystem::path& bundle,
                                                     const std::filesystem::path& root,
                                                     testbed::Role role) {
    return tls_context(
        {bundle / "certificate.pem", bundle / "key.pem", root / "authority" / "certificate.pem",
         role == testbed::Role::coordinator ? root / "authority" / "crl.pem" : ""},
        role);
  }
  void start(bool compress = false) {
    for (End* end : {a_.get(), b_.get()}) {
      end->start();
      end->trust(compress);
    }
  }
  bool until(const std::function<bool()>& so) { return run_until(io_, so); }

  convoy::test::TemporaryFolder folder_;
  asio::io_context io_;
  std::unique_ptr<End> a_;
  std::unique_ptr<End> b_;
};
INSTANTIATE_TEST_SUITE_P(Streams, TwoEnds, testing::Values(Security::plain, Security::tls),
                         [](const testing::TestParamInfo<Security>& tested) {
                           return tested.param == Security::tls ? "Tls" : "Plain";
                         });

TEST_P(TwoEnds, TellEachOtherInOrder) {
  start();
  std::vector<std::int64_t> samples;
  b_->also = [&](const wire::Message& message) {
    samples.push_back(message.body_as_Ready()->samples());
    if (samples.size() == 3) b_->connection->send(wire::KeptT());
  };
  for (const int n : {5, 6, 7}) {
    wire::ReadyT ready;
    ready.samples = n;
    a_->connection->send(std::move(ready));
  }
  ASSERT_TRUE(until([&] { return a_->heard("Kept") == 1; }));
  EXPECT_THAT(samples, ElementsAre(5, 6, 7));
  EXPECT_EQ(a_->connection->payload_bytes(), 0U);

  a_->connection->close("enough");
  ASSERT_TRUE(until([&] { return b_->is_closed(); }));
  EXPECT_EQ(a_->why, "enough");
  EXPECT_EQ(b_->why, "the peer closed the connection");
  EXPECT_FALSE(b_->connection->is_open());
  EXPECT_TRUE(run_dry(io_));
}

TEST_P(TwoEnds, SendParcelsOfUnevenPieces) {
  start();
  const engine::Parcel noise =
      parcel_of({1, 0, 999'999, 3, std::size_t{1} << 20U, 7, 2'500'000, 0, 13});
  const engine::Parcel dull = parcel_of({5, 3'000'000, 0, 1}, true);
  const engine::Parcel exact = parcel_of({chunk_bytes, chunk_bytes});
  const engine::Parcel none = parcel_of({});
  const engine::Parcel hollow = parcel_of({0, 0});
  const std::vector<const engine::Parcel*> parcels = {&noise, &dull, &exact, &none, &hollow};
  for (const bool compress : {false, true}) {
    a_->trust(compress);
    const std::size_t before = b_->boxes.size();
    const std::uint64_t sent = a_->connection->payload_bytes();
    const int done = static_cast<int>(before);
    for (const engine::Parcel* parcel : parcels) a_->connection->send_parcel(1, 1, *parcel);
    ASSERT_TRUE(until([&] {
      return std::count_if(b_->log.begin(), b_->log.end(), [](const std::string& line) {
               return line.starts_with("done");
             }) == done + static_cast<int>(parcels.size());
    }));
    for (std::size_t i = 0; i < parcels.size(); ++i) {
      // Not EXPECT_EQ, which would print the contents.
      EXPECT_TRUE(b_->boxes[before + i]->content() == test::content(*parcels[i])) << i;
    }
    if (!compress) continue;
    std::uint64_t bytes = 0;
    for (const engine::Parcel* parcel : parcels) bytes += parcel->bytes();
    EXPECT_LT(a_->connection->payload_bytes() - sent, bytes - dull.bytes() / 2);
  }
  EXPECT_FALSE(b_->is_closed());
}

TEST_P(TwoEnds, FillTheReceiversOwnPieces) {
  start();
  const engine::Parcel parcel = parcel_of({700'000, 1'500'000});
  for (const bool compress : {false, true}) {
    b_->sizes = {123'456, 1, 0, 1 << 20, 2'200'000 - 123'456 - 1 - (1 << 20)};
    a_->trust(compress);
    const std::uint32_t transfer = a_->connection->send_parcel(1, 1, parcel);
    const std::string done = "done " + std::to_string(transfer);
    ASSERT_TRUE(until([&] { return b_->heard(done) == 1; }));
    EXPECT_TRUE(b_->boxes.back()->content() == test::content(parcel));
  }
}

TEST_P(TwoEnds, LetMessagesOvertakeParcels) {
  start();
  b_->also = [&](const wire::Message& message) {
    if (message.body_as_Offer() != nullptr) a_->connection->send(wire::CancelT());
  };
  a_->connection->send_parcel(1, 1, parcel_of({large}, true));
  ASSERT_TRUE(until([&] { return b_->heard("done 1") == 1; }));
  EXPECT_THAT(b_->log, ElementsAre("Offer", "Cancel", "done 1"));
}

TEST_P(TwoEnds, DropWhatIsLeftOfATasksParcels) {
  start();
  const engine::Parcel parcel = parcel_of({large}, true);
  std::vector<std::weak_ptr<Box>> boxes;
  b_->also = [&](const wire::Message& message) {
    if (message.body_as_Offer() == nullptr || b_->heard("Offer") > 40) return;
    a_->connection->drop_parcels(message.body_as_Offer()->task());
    boxes.push_back(b_->boxes.back());
    b_->boxes.clear();
  };
  // More transfers than may be open at once.
  for (int i = 1; i <= 40; ++i) {
    a_->connection->send_parcel(i, 1, parcel);
    ASSERT_TRUE(until([&] { return b_->heard("Offer") == i; })) << b_->why;
  }
  a_->connection->send_parcel(50, 1, parcel_of({10}));
  a_->connection->send_parcel(51, 1, parcel_of({20}));
  a_->connection->drop_parcels(99);
  ASSERT_TRUE(until([&] { return b_->heard("done 42") == 1; })) << b_->why;
  EXPECT_EQ(b_->heard("done 1") + b_->heard("done 20") + b_->heard("done 40"), 0);
  EXPECT_EQ(b_->heard("done 41"), 1);
  EXPECT_LT(b_->connection->payload_bytes(), 40 * std::uint64_t{large});
  // No memory is held for transfers that were dropped.
  for (const auto& box : boxes) EXPECT_TRUE(box.expired());
}

TEST_P(TwoEnds, DrainWhatNobodyTakes) {
  start();
  b_->offers = End::Offers::ignore;
  a_->connection->send_parcel(1, 1, parcel_of({3'000'000}));
  a_->connection->send_parcel(1, 1, parcel_of({0}));
  ASSERT_TRUE(until([&] { return b_->connection->payload_bytes() >= 3'000'000; }));
  b_->offers = End::Offers::take;
  const engine::Parcel parcel = parcel_of({1000});
  a_->connection->send_parcel(1, 1, parcel);
  ASSERT_TRUE(until([&] { return b_->heard("done 3") == 1; }));
  EXPECT_TRUE(b_->boxes.back()->content() == test::content(parcel));
  EXPECT_THAT(b_->log, ElementsAre("Offer", "Offer", "Offer", "done 3"));
}

TEST_P(TwoEnds, MeasureTheirDistance) {
  EXPECT_FALSE(a_->connection->round_trip_s());
  EXPECT_EQ(a_->connection->jitter_s(), 0);
  b_->start();
  a_->start(1ms, 1h);
  ASSERT_TRUE(until([&] { return a_->connection->round_trip_s().has_value(); }));
  EXPECT_GE(a_->connection->round_trip_s().value(), 0);
  EXPECT_GE(a_->connection->jitter_s(), 0);
  EXPECT_TRUE(a_->log.empty());  // pings and pongs are no messages
}

TEST_P(TwoEnds, FinishOnceAllMessagesAreRead) {
  start();
  a_->connection->send_parcel(1, 1, parcel_of({large}, true));
  wire::SetupT setup;
  setup.toml = std::string(10 << 20, 'x');
  a_->connection->send(std::move(setup));
  wire::ByeT bye;
  bye.reason = "the end";
  a_->connection->send(std::move(bye));
  a_->connection->finish("it is over");
  a_->connection->finish("said twice");
  // The peer sends until it is told to stop.
  b_->connection->send(wire::ReadyT());
  ASSERT_TRUE(until([&] { return a_->is_closed() && b_->is_closed(); }));
  EXPECT_EQ(a_->why, "it is over");
  EXPECT_EQ(a_->heard("Ready"), 0);
  EXPECT_EQ(b_->why, "the peer closed the connection");
  EXPECT_EQ(b_->log.back(), "Bye");
  EXPECT_EQ(b_->heard("Setup"), 1);
  EXPECT_EQ(b_->heard("done 1"), 0);
  EXPECT_TRUE(run_dry(io_));
}

TEST_P(TwoEnds, CloseInTheMidstOfAParcel) {
  start();
  a_->connection->send_parcel(1, 1, parcel_of({large}, true));
  ASSERT_TRUE(until([&] { return b_->connection->payload_bytes() >= chunk_bytes; }));
  const std::weak_ptr<Box> box = b_->boxes.back();
  b_->boxes.clear();
  b_->connection->close("no more of it");
  ASSERT_TRUE(until([&] { return a_->is_closed(); }));
  EXPECT_TRUE(run_dry(io_));
  EXPECT_TRUE(box.expired());
  EXPECT_EQ(b_->heard("done 1"), 0);
  // None of these calls has an effect now.
  b_->connection->send(wire::ReadyT());
  b_->connection->send_parcel(1, 1, parcel_of({10}));
  b_->connection->drop_parcels(1);
  b_->connection->finish("again");
  b_->connection->close("again");
  EXPECT_EQ(b_->closed, 1);
  EXPECT_TRUE(run_dry(io_));
}

TEST_P(TwoEnds, CloseWithinTheirHandlers) {
  start();
  a_->also = [&](const wire::Message&) { a_->connection->close("at the first word"); };
  for (int i = 0; i < 3; ++i) b_->connection->send(wire::ReadyT());
  ASSERT_TRUE(until([&] { return a_->is_closed() && b_->is_closed(); }));
  EXPECT_EQ(a_->why, "at the first word");
  EXPECT_THAT(a_->log, ElementsAre("Ready"));
  EXPECT_TRUE(run_dry(io_));
}

TEST_P(TwoEnds, CloseWhenAParcelIsThere) {
  start();
  a_->offers = End::Offers::ignore;
  a_->also = [&](const wire::Message& message) {
    const wire::Offer* offer = message.body_as_Offer();
    if (offer == nullptr) return;
    a_->connection->take(*offer, std::make_shared<Box>(std::vector<std::size_t>{offer->bytes()}),
                         [&] { a_->connection->close("it is there"); });
  };
  for (int i = 0; i < 3; ++i) b_->connection->send_parcel(1, 1, parcel_of({1000}));
  ASSERT_TRUE(until([&] { return a_->is_closed() && b_->is_closed(); }));
  EXPECT_EQ(a_->why, "it is there");
  EXPECT_TRUE(run_dry(io_));
}

TEST_P(TwoEnds, EndWhereAHandlerThrows) {
  start();
  a_->also = [](const wire::Message&) { throw std::runtime_error("what a mess"); };
  b_->connection->send(wire::ReadyT());
  b_->connection->send(wire::ReadyT());
  ASSERT_TRUE(until([&] { return a_->is_closed() && b_->is_closed(); }));
  EXPECT_EQ(a_->why, "what a mess");
  EXPECT_THAT(a_->log, ElementsAre("Ready"));
}

TEST_P(TwoEnds, AreLookedAfterBySomebodyElse) {
  start();
  int heard = 0;
  std::string why;
  a_->also = [&](const wire::Message&) {
    a_->connection->handlers(
        {[&](const wire::Message&) { ++heard; }, [&](const std::string& reason) { why = reason; }});
  };
  for (int i = 0; i < 3; ++i) b_->connection->send(wire::ReadyT());
  ASSERT_TRUE(until([&] { return heard == 2; }));
  b_->connection->close("enough");
  ASSERT_TRUE(until([&] { return !why.empty(); }));
  EXPECT_EQ(a_->heard("Ready"), 1);
  EXPECT_EQ(a_->closed, 0);
}

// An object that owns the connection and the handlers is freed with the connection.
TEST_P(TwoEnds, OutliveTheirOwnersWithinClosed) {
  struct Owner {
    std::shared_ptr<Connection> connection;
    std::string name = "a name that is longer than what fits into the object";
  };
  for (const std::string how : {"peer", "message", "close", "finish", "throw"}) {
    auto sockets = test::socket_pair(io_);
    auto owner = std::make_unique<Owner>();
    owner->connection =
        std::make_shared<Connection>(std::make_unique<Stream>(std::move(sockets.first), nullptr));
    std::string said;
    owner->connection->start({[&, mine = owner->name](const wire::Message&) {
                                if (how == "throw") throw std::runtime_error("thrown");
                                owner->connection->close(owner->name);
                                said += mine;
                              },
                              [&, mine = owner->name](const std::string& why) {
                                owner.reset();
                                said += mine + why;
                              }},
                             1h, 2h);
    RawPeer peer(std::move(sockets.second));
    if (how == "peer") peer.close();
    if (how == "message" || how == "throw") peer.send(frame(wire::ReadyT()));
    if (how == "close") owner->connection->close("closed");
    if (how == "finish") {
      owner->connection->finish("finished");
      peer.read_all(io_);
      peer.close();
    }
    ASSERT_TRUE(until([&] { return owner == nullptr; })) << how;
    EXPECT_THAT(said, HasSubstr("a name that is longer"));
  }
}

}  // namespace
}  // namespace convoy::hil
