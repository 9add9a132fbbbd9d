#pragma once

// Who may look at a run that goes on, and who may stop it.
//
// Any page that a browser on this machine opens can send requests to it. So requests are answered
// only where they name this server (Host, which keeps out names that were made to point here) and
// where the page that sends them is our own (Origin). Whoever comes from another machine needs the
// token, and so does whoever wants more than to read.

#include <cstdint>
#include <string>
#include <string_view>

namespace convoy::analysis {

class Access {
 public:
  // `host`: the address that is listened on; `token`: see new_token.
  Access(const std::string& host, std::uint16_t port, bool loopback, std::string token);

  // The header "Host": on loopback the address, localhost, 127.0.0.1 or [::1] with the port; else
  // any address with the port, but no other name than the one that is listened on. Port 80 goes
  // without saying.
  [[nodiscard]] bool is_this_server(std::string_view host) const;
  // The header "Origin": none, or http:// and the request's own Host.
  [[nodiscard]] static bool is_own_page(std::string_view origin, std::string_view host);

  [[nodiscard]] bool may_read(std::string_view token) const;
  [[nodiscard]] bool may_control(std::string_view token) const;

  // With the token; `host`: what others reach this machine by, where all addresses are listened on.
  [[nodiscard]] std::string url(const std::string& host = "") const;

 private:
  std::string host_;
  std::uint16_t port_;
  bool loopback_;
  std::string token_;
};

// 128 random bits, as hexadecimal digits.
std::string new_token();

// The value of "token" in a request's target ("/live?token=abc"); "": there is none.
std::string_view token_in(std::string_view target);

}  // namespace convoy::analysis
