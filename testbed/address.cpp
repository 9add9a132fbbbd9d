#include "testbed/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>

namespace convoy::testbed {
namespace {

using Bytes = std::vector<unsigned char>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
    return false;
  }
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return is_digit(c) || is_letter(c) || c == '-'; });
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::string_view last;
  for (std::string_view rest = host;;) {
    const std::size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    if (!is_label(last)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return !is_digit(last.front());
}

bool is_link_local(const Bytes& address) {
  if (address.size() == 4) return address[0] == 169 && address[1] == 254;
  return address[0] == 0xfe && (address[1] & 0xc0U) == 0x80;
}

Bytes copied(const void* from, std::size_t size) {
  Bytes bytes(size);
  std::memcpy(bytes.data(), from, size);
  return bytes;
}

// Empty if the socket address is of another family.
Bytes bytes_of_interface(const sockaddr* address) {
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return copied(&v4.sin_addr, sizeof v4.sin_addr);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    return copied(&v6.sin6_addr, sizeof v6.sin6_addr);
  }
  return {};
}

}  // namespace

std::string Endpoint::str() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  // Without brackets the end of an IPv6 address is ambiguous.
  const bool v6 = host.find(':') != std::string_view::npos;
  if (v6 != brackets || !is_host(host)) return std::nullopt;

  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  std::uint16_t port = 0;
  const char* end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, port).ec != std::errc() || port == 0) {
    return std::nullopt;
  }
  return Endpoint{std::string(host), port};
}

bool is_host(std::string_view host) {
  return address_bytes(host).has_value() || is_host_name(host);
}

std::optional<std::vector<unsigned char>> address_bytes(std::string_view host) {
  // inet_pton stops at a zero byte, so other characters are rejected first.
  if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string text(host);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return copied(&v4, sizeof v4);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return copied(&v6, sizeof v6);
  return std::nullopt;
}

std::string address_text(const std::vector<unsigned char>& bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
  const char* written =
      ::inet_ntop(family, bytes.data(), text.data(), static_cast<socklen_t>(text.size()));
  return written == nullptr ? "" : written;
}

bool is_loopback(std::string_view host) {
  const auto bytes = address_bytes(host);
  if (!bytes) return false;
  if (bytes->size() == 4) return bytes->front() == 127;
  Bytes one(16);
  one.back() = 1;
  return *bytes == one;
}

bool is_wildcard(std::string_view host) {
  const auto bytes = address_bytes(host);
  return bytes && std::all_of(bytes->begin(), bytes->end(), [](unsigned char b) { return b == 0; });
}

std::vector<std::string> local_addresses() {
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) == 0) {
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(list, &::freeifaddrs);
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
      const Bytes bytes = bytes_of_interface(i->ifa_addr);
      const bool up = (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0;
      if (!up || bytes.empty() || is_link_local(bytes)) continue;
      (bytes.size() == 4 ? v4 : v6).push_back(address_text(bytes));
    }
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0 && is_host_name(name.data())) {
    v4.emplace_back(name.data());
  }
  return v4;
}

}  // namespace convoy::testbed
