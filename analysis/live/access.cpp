#include "analysis/live/access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

namespace convoy::analysis {
namespace {

// Compares in constant time, so that timing reveals nothing.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

// An IPv4 address, or an IPv6 address in brackets: cannot be redirected by a name server.
bool looks_like_an_address(std::string_view host) {
  if (host.empty()) return false;
  const std::string_view characters =
      host.front() == '[' ? "0123456789abcdefABCDEF:.[]" : "0123456789.";
  return host.find_first_not_of(characters) == std::string_view::npos;
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

Access::Access(const std::string& host, std::uint16_t port, bool loopback, std::string token)
    : host_(bracketed(host)), port_(port), loopback_(loopback), token_(std::move(token)) {}

bool Access::is_this_server(std::string_view host) const {
  constexpr std::uint16_t unsaid = 80;
  const std::string port = fmt::format(":{}", port_);
  if (host.ends_with(port)) {
    host.remove_suffix(port.size());
  } else if (port_ != unsaid) {
    return false;
  }
  if (host == host_) return true;
  if (!loopback_) return looks_like_an_address(host);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

bool Access::is_own_page(std::string_view origin, std::string_view host) {
  return origin.empty() || origin == fmt::format("http://{}", host);
}

bool Access::may_read(std::string_view token) const { return loopback_ || same(token, token_); }

bool Access::may_control(std::string_view token) const { return same(token, token_); }

std::string Access::url(const std::string& host) const {
  return fmt::format("http://{}:{}/?token={}", host.empty() ? host_ : bracketed(host), port_,
                     token_);
}

std::string new_token() {
  std::random_device device;  // the kernel's generator
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", device());
  return token;
}

std::string_view token_in(std::string_view target) {
  const std::size_t query = target.find('?');
  if (query == std::string_view::npos) return {};
  std::string_view rest = target.substr(query + 1);
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    if (part.starts_with("token=")) return part.substr(std::string_view("token=").size());
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  }
  return {};
}

}  // namespace convoy::analysis
