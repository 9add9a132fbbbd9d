// Tests a connection against a peer whose bytes are written by hand: a peer that breaks the
// protocol, is silent, or disappears.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hil/protocol/connection.hpp"
#include "tests/hil/protocol/support.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::bytes_of;
using test::End;
using test::frame;
using test::frame_of;
using test::large;
using test::parcel_of;
using test::RawPeer;
using test::run_dry;
using test::run_until;
using test::operator+;
using testing::ElementsAre;
using testing::HasSubstr;

Bytes offer(std::uint32_t transfer, std::uint64_t bytes) {
  wire::OfferT offered;
  offered.transfer = transfer;
  offered.header = "{}";
  offered.bytes = bytes;
  return frame(std::move(offered));
}

Bytes chunk(std::uint32_t transfer, std::uint64_t offset, const Bytes& payload, bool zstd = false,
            std::uint32_t bytes = 0) {
  wire::ChunkT sent;
  sent.transfer = transfer;
  sent.offset = offset;
  sent.bytes = bytes == 0 ? static_cast<std::uint32_t>(payload.size()) : bytes;
  sent.zstd = zstd;
  return frame(std::move(sent), payload);
}

// Changes the last byte, which belongs to the payload if there is one.
Bytes damaged(Bytes bytes) {
  bytes.back() ^= std::byte{1};
  return bytes;
}
Bytes part(Bytes bytes, std::size_t without) {
  bytes.resize(bytes.size() - without);
  return bytes;
}
Bytes header(std::uint32_t message, std::uint32_t payload) {
  const auto head = encode({message, payload, 1, 1});
  return {head.begin(), head.end()};
}

// The kinds of the messages in these frames, without pings.
std::vector<std::string> words_in(const Bytes& frames) {
  std::vector<std::string> kinds = test::kinds_in(frames);
  std::erase(kinds, "Ping");
  return kinds;
}

struct Hostile {
  const char* name;
  const char* why;
  std::function<Bytes()> bytes;
  bool known = true;  // the peer is authenticated
  bool ends = false;  // the peer sends nothing more afterwards
};

void PrintTo(const Hostile& peer, std::ostream* out) { *out << peer.name; }

const Bytes eight = bytes_of("12345678");

const std::vector<Hostile>& hostile_peers() {
  static const std::vector<Hostile> all = {
      {"SaysNothing", "the peer closed", [] { return Bytes(); }, true, true},
      {"CutsAHeader", "the peer closed", [] { return part(header(8, 0), 1); }, true, true},
      {"CutsAMessage", "the peer closed", [] { return part(frame(wire::ReadyT()), 1); }, true,
       true},
      {"CutsAChunk", "the peer closed", [] { return offer(1, 8) + part(chunk(1, 0, eight), 1); },
       true, true},
      {"CutsAParcel", "the peer closed", [] { return offer(1, 16) + chunk(1, 0, eight); }, true,
       true},
      {"SpeaksHttp", "no frame of Convoy's",
       [] { return bytes_of("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"); }},
      {"IsUnknownAndSendsALargeMessage", "a message of 65537 bytes, more than 65536",
       [] { return header(65537, 0); }, false},
      {"SendsAHugeMessage", "a message of 4294967295 bytes", [] { return header(~0U, 0); }},
      {"SendsAHugePayload", "a payload of 4294967295 bytes", [] { return header(8, ~0U); }},
      {"SendsNoMessage", "without a message", [] { return header(0, 0); }},
      {"SendsADamagedLength", "damaged",
       [] {
         Bytes bytes = frame(wire::ReadyT());
         bytes[6] ^= std::byte{0x10};  // a message of a megabyte more
         return bytes;
       }},
      {"SendsADamagedMessage", "damaged", [] { return damaged(frame(wire::ReadyT())); }},
      {"SendsAMalformedMessage", "malformed", [] { return frame_of(Bytes(64, std::byte{0xfe})); }},
      {"SendsAPayloadAfterAnotherMessage", "a payload after Ready",
       [] { return frame(wire::ReadyT(), eight); }},
      {"IsUnknownAndOffers", "an offer of 8 bytes, more than 0", [] { return offer(1, 8); }, false},
      {"OffersTooMuch", "an offer of 68719476737 bytes",
       [] { return offer(1, (64ULL << 30U) + 1); }},
      {"OffersWithoutAHeader", "an offer without a header", [] { return frame(wire::OfferT()); }},
      {"OffersTwice", "made before", [] { return offer(1, 8) + offer(1, 8); }},
      {"OffersTwiceWhatHasCome", "made before",
       [] { return offer(1, 8) + chunk(1, 0, eight) + offer(1, 8); }},
      {"OffersTwiceNothing", "made before", [] { return offer(1, 0) + offer(1, 0); }},
      {"OffersBackwards", "made before", [] { return offer(2, 8) + offer(1, 8); }},
      {"OffersTransferZero", "made before", [] { return offer(0, 8); }},
      {"OffersTooManyAtOnce", "too many offers",
       [] {
         Bytes offers;
         for (std::uint32_t i = 1; i <= 17; ++i) offers = offers + offer(i, 8);
         return offers;
       }},
      {"SendsAChunkOfNothing", "nothing that was offered", [] { return chunk(1, 0, eight); }},
      {"IsUnknownAndSendsAChunk", "nothing that was offered", [] { return chunk(1, 0, eight); },
       false},
      {"SendsAChunkOfAnother", "nothing that was offered",
       [] { return offer(1, 8) + chunk(2, 0, eight); }},
      {"GoesBackToAParcelGivenUp", "nothing that was offered",
       [] { return offer(1, 8) + offer(2, 16) + chunk(2, 0, eight) + chunk(1, 0, eight); }},
      {"SendsAfterTheEnd", "nothing that was offered",
       [] { return offer(1, 8) + chunk(1, 0, eight) + chunk(1, 8, eight); }},
      {"SendsAChunkOfAnEmptyParcel", "nothing that was offered",
       [] { return offer(1, 0) + chunk(1, 0, eight); }},
      {"RepeatsAChunk", "out of its order, or repeated",
       [] { return offer(1, 16) + chunk(1, 0, eight) + chunk(1, 0, eight); }},
      {"LeavesAChunkOut", "out of its order",
       [] { return offer(1, 24) + chunk(1, 0, eight) + chunk(1, 16, eight); }},
      {"SendsAChunkBeyondAll", "out of its order",
       [] { return offer(1, 8) + chunk(1, ~std::uint64_t{0}, eight); }},
      {"SendsMoreThanItOffered", "another length than was offered",
       [] { return offer(1, 7) + chunk(1, 0, eight); }},
      {"SendsAChunkThatIsTooLarge", "another length than was offered",
       [] { return offer(1, chunk_bytes + 1) + chunk(1, 0, Bytes(chunk_bytes + 1)); }},
      {"SendsAnEmptyChunk", "another length than was offered",
       [] { return offer(1, 8) + chunk(1, 0, {}); }},
      {"SendsAChunkWithoutItsBytes", "does not hold what it says",
       [] { return offer(1, 8) + chunk(1, 0, {}, false, 8); }},
      {"SendsAChunkWithOtherBytes", "does not hold what it says",
       [] { return offer(1, 80) + chunk(1, 0, eight, false, 9); }},
      {"DamagesAChunk", "a chunk that was damaged",
       [] { return offer(1, 8) + damaged(chunk(1, 0, eight)); }},
      {"DamagesACompressedChunk", "a chunk that was damaged",
       [] { return offer(1, 1000) + damaged(chunk(1, 0, compress({Bytes(1000)}), true, 1000)); }},
      {"CompressesNonsense", "a compressed payload",
       [] { return offer(1, 8) + chunk(1, 0, eight, true, 8); }},
      {"CompressesNothing", "a chunk that was damaged",
       [] { return offer(1, 8) + chunk(1, 0, {}, true, 8); }},
      {"CompressesLess", "shorter than it says",
       [] { return offer(1, 1000) + chunk(1, 0, compress({Bytes(999)}), true, 1000); }},
      {"CompressesABomb", "a compressed payload",
       [] {
         const Bytes zeros(1U << 20U);
         const Bytes bomb = compress({std::vector<std::span<const std::byte>>(256, zeros)});
         return offer(1, chunk_bytes) + chunk(1, 0, bomb, true, chunk_bytes);
       }},
      {"AnswersFromTheFuture", "an answer to no ping",
       [] {
         wire::PongT pong;
         pong.sent_ns = steady_nanoseconds() + std::int64_t{3'600'000'000'000};
         return frame(std::move(pong));
       }},
      {"AnswersFromBeforeAllTime", "an answer to no ping",
       [] {
         wire::PongT pong;
         pong.sent_ns = std::numeric_limits<std::int64_t>::min();
         return frame(std::move(pong));
       }},
      {"SpeaksOfKindsUnknown", "of an unknown kind",
       [] {
         flatbuffers::FlatBufferBuilder builder;
         const auto ping = wire::CreatePing(builder, 5);
         wire::MessageBuilder message(builder);
         message.add_body_type(static_cast<wire::Body>(200));
         message.add_body(ping.Union());
         builder.Finish(message.Finish(), wire::MessageIdentifier());
         const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
         return frame_of({begin, begin + builder.GetSize()});
       }},
  };
  return all;
}

class AgainstPeer : public testing::Test {
 protected:
  AgainstPeer() : AgainstPeer(io_) {}
  bool until(const std::function<bool()>& so) { return run_until(io_, so); }

  asio::io_context io_;
  std::unique_ptr<End> end_;
  std::unique_ptr<RawPeer> peer_;

 private:
  explicit AgainstPeer(asio::io_context& io) {
    auto sockets = test::socket_pair(io);
    end_ = std::make_unique<End>(std::move(sockets.first));
    peer_ = std::make_unique<RawPeer>(std::move(sockets.second));
  }
};

class APeerThat : public AgainstPeer, public testing::WithParamInterface<Hostile> {};
INSTANTIATE_TEST_SUITE_P(Hostile, APeerThat, testing::ValuesIn(hostile_peers()),
                         [](const testing::TestParamInfo<Hostile>& tested) {
                           return std::string(tested.param.name);
                         });

TEST_P(APeerThat, IsCutOffWithAReason) {
  for (const End::Offers offers : {End::Offers::take, End::Offers::ignore}) {
    auto sockets = test::socket_pair(io_);
    End end(std::move(sockets.first));
    RawPeer peer(std::move(sockets.second));
    end.offers = offers;
    end.start();
    if (GetParam().known) end.trust();
    peer.send(frame(wire::AssignT()) + GetParam().bytes());
    // Later messages are ignored, even valid ones.
    if (GetParam().ends) {
      peer.end_sending();
    } else {
      peer.send(frame(wire::ReadyT()) + offer(100, 8) + chunk(100, 0, eight));
    }
    ASSERT_TRUE(until([&] { return end.is_closed(); }));
    EXPECT_THAT(end.why, HasSubstr(GetParam().why));
    EXPECT_TRUE(run_dry(io_));
    EXPECT_EQ(end.closed, 1);
    EXPECT_EQ(end.heard("Assign"), 1);
    EXPECT_EQ(end.heard("Ready") + end.heard("done 100"), 0);
    for (const auto& box : end.boxes) EXPECT_EQ(box.use_count(), 1);
  }
}

TEST_F(AgainstPeer, TakesBytesAsTheyCome) {
  end_->start();
  end_->trust();
  const Bytes all = offer(1, 16) + chunk(1, 0, eight) + frame(wire::ReadyT()) + chunk(1, 8, eight);
  for (const std::byte byte : all) {
    peer_->send({byte});
    io_.poll();
  }
  ASSERT_TRUE(until([&] { return end_->heard("done 1") == 1; }));
  EXPECT_THAT(end_->log, ElementsAre("Offer", "Ready", "done 1"));
  EXPECT_EQ(end_->boxes.front()->content(), eight + eight);
}

TEST_F(AgainstPeer, NoticesItsSilence) {
  // The socket stays open, but the peer is silent.
  end_->start(10ms, 150ms);
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_THAT(end_->why, HasSubstr("no sign of life"));
  EXPECT_TRUE(run_dry(io_));
  const auto kinds = test::kinds_in(peer_->read_all(io_));
  EXPECT_FALSE(kinds.empty());
  for (const std::string& kind : kinds) EXPECT_EQ(kind, "Ping");
}

TEST_F(AgainstPeer, NoticesItsSilenceWhileItSends) {
  end_->start(10ms, 150ms);
  end_->connection->trust(Limits::coordinator(), 10ms, 150ms, false);
  end_->connection->send_parcel(1, 1, parcel_of({large}, true));
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_THAT(end_->why, HasSubstr("no sign of life"));
  EXPECT_TRUE(run_dry(io_));
}

TEST_F(AgainstPeer, EndsThoughNobodyReadsItsLastWords) {
  end_->start(10ms, 150ms);
  end_->connection->trust(Limits::coordinator(), 10ms, 150ms, false);
  wire::SetupT setup;
  setup.toml = std::string(large, 'x');
  end_->connection->send(std::move(setup));
  end_->connection->finish("it is over");
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_EQ(end_->why, "it is over");
  EXPECT_TRUE(run_dry(io_));
}

// If a socket is closed with unread bytes, data that it has not yet sent is lost.
TEST_F(AgainstPeer, FinishesThoughThePeerStillTalks) {
  end_->start();
  end_->trust();
  wire::SetupT setup;
  setup.toml = std::string(150'000, 'x');
  end_->connection->send(std::move(setup));
  while (io_.poll() > 0) {
    // Until the system has taken all of it.
  }
  peer_->send(frame(wire::ReadyT()));
  end_->connection->finish("it is over");
  EXPECT_THAT(words_in(peer_->read_all(io_)), ElementsAre("Setup"));
  peer_->close();
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_EQ(end_->why, "it is over");
  EXPECT_EQ(end_->heard("Ready"), 0);
  EXPECT_TRUE(run_dry(io_));
}

TEST_F(AgainstPeer, IsPatientWithParcelsWhileItFinishes) {
  end_->start();
  end_->trust();
  peer_->send(offer(1, 16));
  ASSERT_TRUE(until([&] { return end_->heard("Offer") == 1; }));
  wire::ByeT bye;
  end_->connection->send(std::move(bye));
  end_->connection->finish("it is over");
  peer_->send(chunk(1, 0, eight) + offer(2, 8) + chunk(1, 8, eight) + chunk(2, 0, eight) +
              offer(3, 0));
  EXPECT_THAT(words_in(peer_->read_all(io_)), ElementsAre("Bye"));
  peer_->close();
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_EQ(end_->why, "it is over");
  EXPECT_THAT(end_->log, ElementsAre("Offer"));
}

// Our next write fails before the peer's last message is read.
TEST_F(AgainstPeer, HearsWhatWasSaidBeforeTheConnectionBroke) {
  wire::ByeT bye;
  bye.reason = "the end";
  peer_->send(frame(wire::ReadyT()) + frame(std::move(bye)));
  peer_->socket().set_option(asio::socket_base::linger(true, 0));
  peer_->close();  // with a reset
  end_->start();
  for (int i = 0; i < 3; ++i) end_->connection->send(wire::ReadyT());
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_THAT(end_->log, ElementsAre("Ready", "Bye"));
  EXPECT_TRUE(run_dry(io_));
}

TEST_F(AgainstPeer, IsAsFarAsItsAnswerTakes) {
  end_->start();
  const std::vector<std::int64_t> pings = peer_->read_pings(io_, 1);
  wire::PongT pong;
  pong.sent_ns = pings.front();
  const Bytes answer = frame(std::move(pong));
  peer_->send(answer);
  ASSERT_TRUE(until([&] { return end_->connection->round_trip_s().has_value(); }));
  const double sent = 1e-9 * static_cast<double>(pings.front());
  const double now = 1e-9 * static_cast<double>(steady_nanoseconds());
  EXPECT_LE(*end_->connection->round_trip_s(), now - sent + 1e-6);
  EXPECT_EQ(end_->connection->jitter_s(), 0);

  peer_->send(answer);
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_THAT(end_->why, HasSubstr("an answer to no ping"));
}

TEST_F(AgainstPeer, TakesTheQuickestOfItsAnswers) {
  end_->start(1ms, 1h);
  const auto answer = [&](std::int64_t sent) {
    const std::optional<double> before = end_->connection->round_trip_s();
    wire::PongT pong;
    pong.sent_ns = sent;
    peer_->send(frame(std::move(pong)) + frame(wire::ReadyT()));
    const int heard = end_->heard("Ready");
    EXPECT_TRUE(until([&] { return end_->heard("Ready") > heard; })) << end_->why;
    EXPECT_LE(*end_->connection->round_trip_s(), before.value_or(1e9));
  };
  const std::vector<std::int64_t> pings = peer_->read_pings(io_, 3);
  answer(pings[0]);
  answer(pings[1]);
  EXPECT_GE(end_->connection->jitter_s(), 0);
  // Pings older than the last answered one are no longer waited for.
  wire::PongT late;
  late.sent_ns = pings[0];
  peer_->send(frame(std::move(late)));
  ASSERT_TRUE(until([&] { return end_->is_closed(); }));
  EXPECT_THAT(end_->why, HasSubstr("an answer to no ping"));
}

// A peer that sends pings and never reads does not fill our memory.
TEST_F(AgainstPeer, KeepsNoAnswersForWhoDoesNotListen) {
  auto sockets = test::socket_pair(io_);
  sockets.first.set_option(asio::socket_base::send_buffer_size(4096));
  End end(std::move(sockets.first));
  RawPeer peer(std::move(sockets.second));
  end.start();
  constexpr int pings = 40'000;
  Bytes some;
  for (int i = 0; i < 100; ++i) some = some + frame(wire::PingT());
  some = some + frame(wire::ReadyT());
  for (int i = 1; i <= pings / 100; ++i) {
    peer.send(some);
    ASSERT_TRUE(until([&] { return end.heard("Ready") == i; })) << end.why;
  }
  wire::ByeT bye;
  end.connection->send(std::move(bye));
  end.connection->finish("it is over");
  const auto kinds = test::kinds_in(peer.read_all(io_));
  peer.close();
  EXPECT_LT(std::count(kinds.begin(), kinds.end(), "Pong"), pings / 2);
  EXPECT_EQ(kinds.back(), "Bye");
  ASSERT_TRUE(until([&] { return end.is_closed(); }));
}

}  // namespace
}  // namespace convoy::hil
