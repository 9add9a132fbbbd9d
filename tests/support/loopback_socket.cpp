#include "tests/support/loopback_socket.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <stdexcept>

namespace convoy::test {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

ListeningSocket listen_on_loopback() {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(made, raw, size) != 0 || ::listen(made, 16) != 0 ||
      ::getsockname(made, raw, &size) != 0) {
    throw std::runtime_error("a relay cannot listen");
  }
  return {made, ntohs(address.sin_port)};
}

}  // namespace convoy::test
