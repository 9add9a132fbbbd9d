#pragma once

// Where the coordinator listens and nodes connect to: HOST:PORT, an IPv6 address in brackets.
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

  [[nodiscard]] std::string str() const;  // with brackets where the host is an IPv6 address
};

// Nothing where the text is no HOST:PORT. The port is 1 to 65535; see is_host for the host.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

// An IPv4 or IPv6 address, or a host name as RFC 1123 has it. A name whose last part is a number
// is none: resolvers take "127.1" and "0x7f.1" for addresses.
[[nodiscard]] bool is_host(std::string_view host);

// The 4 or 16 bytes of an address in network order; nothing for a name. Neither the short forms of
// IPv4 addresses nor zones of IPv6 addresses ("fe80::1%eth0") are taken.
[[nodiscard]] std::optional<std::vector<unsigned char>> address_bytes(std::string_view host);
// The other way; `bytes` must be 4 or 16.
[[nodiscard]] std::string address_text(const std::vector<unsigned char>& bytes);

[[nodiscard]] bool is_loopback(std::string_view host);  // 127.0.0.0/8 or ::1, given as an address
[[nodiscard]] bool is_wildcard(std::string_view host);  // 0.0.0.0 or ::

// What this machine may be reached by: the addresses of its interfaces that are up, IPv4 first,
// then its name. Neither loopback nor link-local addresses; empty where there is nothing.
[[nodiscard]] std::vector<std::string> local_addresses();

}  // namespace convoy::testbed
