#pragma once

// Access control of the live view: who may look at a run, and who may stop it.
//
// Any web page open on this machine can send requests here. So a request must name this server in
// its Host header (which defeats DNS rebinding), and its Origin must be our own page. Clients on
// other machines need the token, and so do all requests that change something.

#include <cstdint>
#include <string>
#include <string_view>

namespace convoy::analysis {

class Access {
 public:
  // `host`: the address listened on; `token`: see new_token.
  Access(const std::string& host, std::uint16_t port, bool loopback, std::string token);

  // Checks the header "Host". On loopback: the address, localhost, 127.0.0.1 or [::1], with the
  // port. Else: any address with the port, or the name listened on. Port 80 may be omitted.
  [[nodiscard]] bool is_this_server(std::string_view host) const;
  // Checks the header "Origin": absent, or http:// and the request's own Host.
  [[nodiscard]] static bool is_own_page(std::string_view origin, std::string_view host);

  [[nodiscard]] bool may_read(std::string_view token) const;
  [[nodiscard]] bool may_control(std::string_view token) const;

  // The URL with the token; `host`: name for other machines if all addresses are listened on.
  [[nodiscard]] std::string url(const std::string& host = "") const;

 private:
  std::string host_;
  std::uint16_t port_;
  bool loopback_;
  std::string token_;
};

// 128 random bits as hexadecimal digits.
std::string new_token();

// The value of "token" in a request's target ("/live?token=abc"); "" if absent.
std::string_view token_in(std::string_view target);

}  // namespace convoy::analysis
