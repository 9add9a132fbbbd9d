#pragma once

// A viewer of the live view: a WebSocket that reads and sends JSON.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace convoy::test {

class LiveClient {
 public:
  // `host`: address and port, for the header; `target`: /live, with the token if there is one.
  LiveClient(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& endpoint,
             const std::string& host, const std::string& target)
      : socket_(io) {
    socket_.next_layer().connect(endpoint);
    socket_.handshake(host, target);
  }
  nlohmann::json next() {
    boost::beast::flat_buffer buffer;
    socket_.read(buffer);
    return nlohmann::json::parse(boost::beast::buffers_to_string(buffer.data()));
  }
  // The next message of this type; skips others.
  nlohmann::json next(const std::string& type) {
    for (;;) {
      nlohmann::json message = next();
      if (message.at("type") == type) return message;
    }
  }
  void say(const std::string& text) { socket_.write(boost::asio::buffer(text)); }
  bool is_closed() { return is_closed_after(""); }
  // The run may end before everything is sent.
  bool is_closed_after(const std::string& text) {
    try {
      if (!text.empty()) say(text);
      for (;;) next();
    } catch (const boost::system::system_error&) {
      return true;
    }
  }

 private:
  boost::beast::websocket::stream<boost::asio::ip::tcp::socket> socket_;
};

}  // namespace convoy::test
