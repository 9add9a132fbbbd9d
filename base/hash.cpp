#include "base/hash.hpp"

#include <fmt/format.h>

// Chooses vector instructions at run time where available, else at compile time; the hash is the
// same.
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <new>

namespace convoy::base {
namespace {

XXH3_state_t* state_of(void* state) { return static_cast<XXH3_state_t*>(state); }

}  // namespace

Hash::Hash() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_of(state_));
}
Hash::~Hash() { XXH3_freeState(state_of(state_)); }
void Hash::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_of(state_), bytes.data(), bytes.size());
}
std::uint64_t Hash::value() const { return XXH3_64bits_digest(state_of(state_)); }
std::string Hash::text() const { return fmt::format("{:016x}", value()); }

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace convoy::base
