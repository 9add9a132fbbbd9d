#pragma once

// Addresses of the coordinator: HOST:PORT, with IPv6 addresses in brackets.
//
//   parse_endpoint("0.0.0.0:7700")   parse_endpoint("[::1]:7700") parse_endpoint("lab.local:7700")

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::testbed {

struct Endpoint {
  std::string host;  // an address without brackets, or a host name
  std::uint16_t port = 0;

  [[nodiscard]] std::string str() const;  // with brackets around IPv6 addresses
};

// Nothing for other texts. The port is 1 to 65535; see is_host for the host.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

// True for IPv4 and IPv6 addresses and host names by RFC 1123. Names with a number as last part are
// rejected: resolvers take "127.1" and "0x7f.1" for addresses.
[[nodiscard]] bool is_host(std::string_view host);

// The 4 or 16 bytes of an address in network order; nothing for names, short forms of IPv4
// addresses and IPv6 addresses with zones ("fe80::1%eth0").
[[nodiscard]] std::optional<std::vector<unsigned char>> address_bytes(std::string_view host);
// The inverse; `bytes` must have 4 or 16 elements.
[[nodiscard]] std::string address_text(const std::vector<unsigned char>& bytes);

[[nodiscard]] bool is_loopback(std::string_view host);  // 127.0.0.0/8 or ::1, given as an address
[[nodiscard]] bool is_wildcard(std::string_view host);  // 0.0.0.0 or ::

// Addresses of this machine: those of its active interfaces, IPv4 first, then its host name.
// Without loopback and link-local addresses; may be empty.
[[nodiscard]] std::vector<std::string> local_addresses();

}  // namespace convoy::testbed
