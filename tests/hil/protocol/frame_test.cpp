// Tests frames as bytes: accepted ones, and all refused ones.

#include "hil/protocol/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <numeric>

#include "base/hash.hpp"
#include "tests/hil/protocol/support.hpp"

namespace convoy::hil {
namespace {

using test::Bytes;
using test::bytes_of;
using test::frame_of;

std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const ProtocolError& e) {
    return e.what();
  }
  return "";
}
// Expects that the statement throws a ProtocolError whose text contains `part`.
#define EXPECT_REFUSED(statement, part) \
  EXPECT_THAT(refusal_of([&] { static_cast<void>(statement); }), testing::HasSubstr(part))

// Reads the bytes of one frame. Throws ProtocolError, also if bytes are missing or left over.
wire::BodyUnion read(const Bytes& frame, const Limits& limits = Limits::coordinator()) {
  if (frame.size() < frame_header_bytes) throw ProtocolError("no header");
  const FrameHeader header = decode(
      std::span<const std::byte, frame_header_bytes>(frame.data(), frame_header_bytes), limits);
  if (frame.size() - frame_header_bytes !=
      std::uint64_t{header.message_bytes} + header.payload_bytes) {
    throw ProtocolError("another length");
  }
  const auto begin = frame.begin() + frame_header_bytes;
  // A copy, so that reading past it is detected.
  const Bytes message(begin, begin + header.message_bytes);
  const Bytes payload(begin + header.message_bytes, frame.end());
  const wire::Message& read = check_message(message, header.message_hash);
  if (!payload.empty() && base::hash_of(payload) != header.payload_hash)
    throw ProtocolError("payload");
  wire::BodyUnion body;
  body.type = read.body_type();
  body.value = wire::BodyUnion::UnPack(read.body(), read.body_type(), nullptr);
  return body;
}

Bytes chunk_frame() {
  wire::ChunkT chunk;
  chunk.transfer = 7;
  chunk.offset = 1000;
  chunk.bytes = 5;
  return frame_of(pack_body(std::move(chunk)), bytes_of("hello"));
}

Bytes header_of(std::uint32_t message, std::uint32_t payload) {
  const auto header = encode({message, payload, 1, 2});
  return {header.begin(), header.end()};
}
FrameHeader decoded(const Bytes& bytes, const Limits& limits) {
  return decode(std::span<const std::byte, frame_header_bytes>(bytes), limits);
}

// --- headers -------------------------------------------------------------------------------------

TEST(Header, ReadsBackAsWritten) {
  const FrameHeader header{1234, 5678, 0x0123456789abcdefU, 0xfedcba9876543210U};
  const auto bytes = encode(header);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), 4), "CVYF");
  EXPECT_EQ(bytes[4], std::byte{0xd2});  // little endian
  EXPECT_EQ(bytes[5], std::byte{0x04});
  EXPECT_EQ(bytes[16], std::byte{0xef});
  const FrameHeader back = decode(bytes, Limits::coordinator());
  EXPECT_EQ(back.message_bytes, header.message_bytes);
  EXPECT_EQ(back.payload_bytes, header.payload_bytes);
  EXPECT_EQ(back.message_hash, header.message_hash);
  EXPECT_EQ(back.payload_hash, header.payload_hash);
}

TEST(Header, OfSomethingElseIsRefused) {
  EXPECT_REFUSED(decoded(Bytes(frame_header_bytes), Limits::coordinator()), "no frame of Convoy's");
  EXPECT_REFUSED(decoded(bytes_of("GET / HTTP/1.1\r\nHost: example.org"), Limits::coordinator()),
                 "no frame of Convoy's");
  for (std::size_t i = 0; i < 4; ++i) {
    Bytes bytes = header_of(10, 0);
    bytes[i] ^= std::byte{0x20};
    EXPECT_REFUSED(decoded(bytes, Limits::coordinator()), "no frame of Convoy's") << i;
  }
  for (std::size_t i = 12; i < 16; ++i) {
    Bytes bytes = header_of(10, 0);
    bytes[i] = std::byte{1};
    EXPECT_REFUSED(decoded(bytes, Limits::coordinator()), "another version") << i;
  }
}

// By itself: a reader that took a damaged length would wait for what never comes.
TEST(Header, EveryFlippedBitIsNoticedBeforeWhatFollows) {
  for (const Bytes& whole : {header_of(10, 0), header_of(1000, 1 << 20), chunk_frame()}) {
    for (std::size_t bit = 0; bit < 8 * frame_header_bytes; ++bit) {
      Bytes damaged(whole.begin(), whole.begin() + frame_header_bytes);
      damaged[bit / 8] ^= std::byte{1} << (bit % 8);
      EXPECT_THROW(decoded(damaged, Limits::coordinator()), ProtocolError) << "bit " << bit;
    }
  }
}

// So that its Hello is understood, which says what it speaks.
TEST(Header, OfVersion4IsRead) {
  Bytes bytes = header_of(10, 20);
  std::fill_n(bytes.begin() + 12, 4, std::byte{0});
  EXPECT_EQ(decoded(bytes, Limits::unknown_peer()).message_bytes, 10);
}

TEST(Header, HoldsLengthsAgainstTheLimits) {
  const Limits unknown = Limits::unknown_peer();
  const Limits known = Limits::coordinator();
  EXPECT_EQ(unknown.message, 64U << 10U);
  EXPECT_EQ(known.message, 64U << 20U);
  EXPECT_EQ(Limits::agent().message, 8U << 20U);
  EXPECT_EQ(unknown.transfer, 0U);
  EXPECT_EQ(known.transfer, 64ULL << 30U);
  for (const Limits& limits : {unknown, known, Limits::agent()}) {
    EXPECT_NO_THROW(decoded(header_of(1, 0), limits));
    EXPECT_NO_THROW(decoded(header_of(limits.message, limits.payload), limits));
    EXPECT_REFUSED(decoded(header_of(limits.message + 1, 0), limits), "a message of");
    EXPECT_REFUSED(decoded(header_of(0xffffffffU, 0), limits), "a message of 4294967295 bytes");
    EXPECT_REFUSED(decoded(header_of(1, limits.payload + 1), limits), "a payload of");
    EXPECT_REFUSED(decoded(header_of(1, 0xffffffffU), limits), "a payload of 4294967295 bytes");
    EXPECT_REFUSED(decoded(header_of(0, 0), limits), "without a message");
  }
  EXPECT_REFUSED(decoded(header_of(1 << 20, 0), unknown), "more than 65536");
  EXPECT_NO_THROW(decoded(header_of(1 << 20, 0), known));
}

// --- messages ------------------------------------------------------------------------------------

TEST(Message, ReadsBackAsPacked) {
  wire::HelloT hello;
  hello.protocol_min = 1;
  hello.protocol_max = 3;
  hello.name = "orin-1";
  hello.missing = {"power", "temperature"};
  hello.known.push_back(std::make_unique<wire::KnownTaskT>());
  hello.known.back()->task = -5;
  const wire::BodyUnion body = read(frame_of(pack_body(std::move(hello))), Limits::unknown_peer());
  ASSERT_NE(body.AsHello(), nullptr);
  EXPECT_EQ(body.AsHello()->name, "orin-1");
  EXPECT_EQ(body.AsHello()->protocol_max, 3);
  EXPECT_EQ(body.AsHello()->own_samples, -1);
  EXPECT_THAT(body.AsHello()->missing, testing::ElementsAre("power", "temperature"));
  ASSERT_EQ(body.AsHello()->known.size(), 1U);
  EXPECT_EQ(body.AsHello()->known.front()->task, -5);
}

TEST(Message, EveryFlippedBitOfAFrameIsNoticed) {
  const Bytes frame = chunk_frame();
  EXPECT_EQ(read(frame).AsChunk()->offset, 1000U);
  for (std::size_t i = 0; i < frame.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = frame;
      damaged[i] ^= std::byte{1} << bit;
      EXPECT_THROW(read(damaged), ProtocolError) << "byte " << i << ", bit " << bit;
    }
  }
}

// Damage with a correct hash: malice instead of accident. ASan checks memory accesses.
TEST(Message, EveryChangedByteIsRefusedOrReadWithinBounds) {
  wire::HelloT hello;
  hello.name = "orin-1";
  hello.missing = {"power", "temperature"};
  hello.known.push_back(std::make_unique<wire::KnownTaskT>());
  const Bytes message = pack_body(std::move(hello));
  int read_well = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = message;
      changed[i] = std::byte(value);
      try {
        read(frame_of(changed));
        ++read_well;
      } catch (const ProtocolError&) {
        continue;
      }
    }
  }
  EXPECT_GT(read_well, 0);  // a name with another letter
}

TEST(Message, CutOffIsRefused) {
  const Bytes frame = chunk_frame();
  for (std::size_t n = 0; n < frame.size(); ++n) {
    EXPECT_THROW(read(Bytes(frame.begin(), frame.begin() + n)), ProtocolError) << n;
  }
  // With a header that matches the cut, and a correct hash.
  wire::SetupT setup;
  setup.toml = "seed = 1";
  setup.train = {1, 2, 3};
  const Bytes message = pack_body(std::move(setup));
  // The missing last bytes may be the padding after a text.
  for (std::size_t n = 1; n < message.size() - 3; ++n) {
    const Bytes part(message.begin(), message.begin() + n);
    EXPECT_REFUSED(check_message(part, base::hash_of(message)), "damaged") << n;
    EXPECT_REFUSED(check_message(part, base::hash_of(part)), "malformed") << n;
  }
}

TEST(Message, OfAnotherSchemaIsRefused) {
  Bytes message = pack_body(wire::PingT());
  message[4] = std::byte{'X'};  // of the file identifier
  EXPECT_REFUSED(check_message(message, base::hash_of(message)), "malformed");
  const Bytes nonsense(200, std::byte{0xff});
  EXPECT_REFUSED(check_message(nonsense, base::hash_of(nonsense)), "malformed");
}

Bytes message_of_kind(int kind, bool with_body) {
  flatbuffers::FlatBufferBuilder builder;
  const auto ping = wire::CreatePing(builder, 5);
  wire::MessageBuilder message(builder);
  message.add_body_type(static_cast<wire::Body>(kind));
  if (with_body) message.add_body(ping.Union());
  builder.Finish(message.Finish(), wire::MessageIdentifier());
  const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

TEST(Message, OfAnUnknownKindIsRefused) {
  const int ping = static_cast<int>(wire::Body::Ping);
  const int last = static_cast<int>(wire::Body::MAX);
  EXPECT_EQ(read(frame_of(message_of_kind(ping, true))).AsPing()->sent_ns, 5);
  for (const int kind : {0, last + 1, 100, 255}) {
    EXPECT_REFUSED(read(frame_of(message_of_kind(kind, true))), "unknown kind") << kind;
    EXPECT_REFUSED(read(frame_of(message_of_kind(kind, false))), "unknown kind") << kind;
  }
  EXPECT_REFUSED(read(frame_of(message_of_kind(ping, false))), "m");  // malformed, or no body
}

// --- pieces --------------------------------------------------------------------------------------

TEST(PartOf, CutsPiecesThatFollowEachOther) {
  std::string text = "abcdefghijklmnopqrstuvwxyz";
  const std::vector<std::span<char>> pieces = {{text.data(), 3},      {text.data() + 3, 0},
                                               {text.data() + 3, 1},  {text.data() + 4, 20},
                                               {text.data() + 24, 0}, {text.data() + 24, 2}};
  const auto together = [](const std::vector<std::span<char>>& part) {
    std::string sum;
    for (const auto& piece : part) {
      EXPECT_FALSE(piece.empty());
      sum.append(piece.begin(), piece.end());
    }
    return sum;
  };
  for (std::size_t from = 0; from <= text.size() + 2; ++from) {
    for (std::size_t n = 0; n <= text.size() + 2; ++n) {
      EXPECT_EQ(together(part_of(pieces, from, n)), from > text.size() ? "" : text.substr(from, n));
    }
  }
  EXPECT_EQ(part_of(pieces, 1, 3).size(), 2U);
  EXPECT_TRUE(part_of(std::vector<std::span<char>>{}, 0, 10).empty());
  EXPECT_EQ(together(part_of(pieces, 24, ~std::uint64_t{0})), "yz");
  EXPECT_TRUE(part_of(pieces, ~std::uint64_t{0}, 1).empty());
}

TEST(HashOf, PiecesIsThatOfTheWhole) {
  Bytes bytes(10'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * i >> 3U);
  for (const std::size_t step : {1U, 7U, 1000U, 20'000U}) {
    base::Hash hash;
    hash.add({});
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      hash.add(std::span(bytes).subspan(i, std::min(step, bytes.size() - i)));
    }
    EXPECT_EQ(hash.value(), base::hash_of(bytes)) << step;
  }
  EXPECT_EQ(base::Hash().value(), base::hash_of({}));
}

// --- compression ---------------------------------------------------------------------------------

TEST(Compression, GivesBackWhatWentIn) {
  for (const std::size_t size : {0U, 1U, 1000U, 1U << 20U}) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(i / 100);
    const std::span<const std::byte> all(bytes);
    const Bytes small = compress({all.first(size / 3), {}, all.subspan(size / 3)});
    EXPECT_EQ(decompress(small, size), bytes);
    EXPECT_LT(small.size(), size / 2 + 20);
    // A result above the limit is refused; a smaller one is no failure.
    if (size > 0) {
      EXPECT_REFUSED(decompress(small, size - 1), "a compressed payload");
    }
    EXPECT_EQ(decompress(small, size + 100), bytes);
  }
}

TEST(Compression, OfABombIsBounded) {
  // 1 GiB of zeros in about 32 KiB, with and without its length in zstd's frame header.
  const Bytes zeros(1U << 20U);
  Bytes bomb;
  ZSTD_CStream* stream = ZSTD_createCStream();
  for (int i = 0; i < 1024; ++i) {
    Bytes room(1U << 20U);
    ZSTD_inBuffer in{zeros.data(), zeros.size(), 0};
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    ASSERT_FALSE(ZSTD_isError(
        ZSTD_compressStream2(stream, &out, &in, i == 1023 ? ZSTD_e_end : ZSTD_e_continue)));
    bomb.insert(bomb.end(), room.begin(), room.begin() + out.pos);
  }
  ZSTD_freeCStream(stream);
  EXPECT_LT(bomb.size(), 1U << 20U);
  EXPECT_REFUSED(decompress(bomb, chunk_bytes), "a compressed payload");
  const Bytes sized = compress({std::vector<std::span<const std::byte>>(16, zeros)});
  EXPECT_REFUSED(decompress(sized, chunk_bytes), "a compressed payload");
  // Two zstd frames in one payload have the size of both.
  Bytes twice = compress({zeros});
  twice.insert(twice.end(), twice.begin(), twice.end());
  EXPECT_REFUSED(decompress(twice, chunk_bytes), "a compressed payload");
}

TEST(Compression, GarbageIsRefused) {
  EXPECT_REFUSED(decompress(bytes_of("this is not zstd at all"), 1000), "a compressed payload");
  Bytes bytes(1000);
  std::iota(reinterpret_cast<unsigned char*>(bytes.data()),
            reinterpret_cast<unsigned char*>(bytes.data()) + bytes.size(), std::uint8_t{0});
  const Bytes small = compress({bytes});
  for (std::size_t n = 1; n < small.size(); ++n) {
    EXPECT_REFUSED(decompress({small.data(), n}, 1000), "a compressed payload") << n;
  }
  for (std::size_t i = 0; i < small.size(); ++i) {
    Bytes damaged = small;
    damaged[i] ^= std::byte{0x55};
    try {
      EXPECT_LE(decompress(damaged, 1000).size(), 1000U);
    } catch (const ProtocolError&) {
      continue;
    }
  }
}

}  // namespace
}  // namespace convoy::hil
