#include "hil/protocol/random_id.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <stdexcept>

namespace convoy::hil {

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("the system has no random numbers to give");
  }
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace convoy::hil
