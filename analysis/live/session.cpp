#include "analysis/live/session.hpp"

#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <optional>
#include <utility>

namespace convoy::analysis {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using Error = boost::system::error_code;
using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// --- by WebSocket -------------------------------------------------------------------------------

class Viewer : public LiveSession, public std::enable_shared_from_this<Viewer> {
 public:
  Viewer(beast::tcp_stream stream, LiveHost& host, std::shared_ptr<LivePlace> place,
         bool may_control)
      : socket_(std::move(stream)),
        host_(host),
        place_(std::move(place)),
        may_control_(may_control) {}

  void accept(const Request& request) {
    beast::get_lowest_layer(socket_).expires_never();
    // Closes connections that do not answer pings.
    socket_.set_option(
        websocket::stream_base::timeout{std::chrono::seconds(10), std::chrono::seconds(20), true});
    place_->dismiss = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end();
    };
    constexpr std::size_t longest_message = 1024;
    socket_.read_message_max(longest_message);
    socket_.async_accept(request, [self = shared_from_this()](Error error) {
      if (error) return;
      if (!self->host_.join(self)) {
        self->refuse("too many are looking, or it is over");
        self->closing_ = true;
        self->write();
        return;
      }
      self->place_.reset();  // it now has a viewer's place
      self->host_.subject().ask_for_status();
      self->tell_rows();
      self->read();
    });
  }

  void tell_status() override {
    if (!told_) return tell_rows();  // first what it is about
    if (!outgoing_.empty()) return;  // the next status replaces this one
    outgoing_.push_back(host_.subject().now());
    write();
  }

  void tell_rows() override {
    LiveSubject& subject = host_.subject();
    if (!subject.has_begun() || !outgoing_.empty() || closing_) return;
    try {
      if (!feed_) feed_ = subject.feed(may_control_);
      for (LiveMessage& message : feed_->news()) outgoing_.push_back(std::move(message));
      if (!told_) outgoing_.push_back(subject.now());
      told_ = true;
    } catch (const std::exception& e) {
      // Only this view ends; the page reconnects.
      host_.warn(e.what());
      refuse(e.what());
      closing_ = true;
    }
    write();
  }

  void finish(LiveMessage last) override {
    outgoing_.push_back(std::move(last));
    closing_ = true;
    moved_ = std::chrono::steady_clock::now();
    write();
  }

  [[nodiscard]] bool gives_way() const override { return !may_control_; }

  // Pending operations fail, and the handlers end.
  void end() override {
    beast::get_lowest_layer(socket_).close();
    host_.leave(shared_from_this());
  }

  void end_if_stuck(std::chrono::steady_clock::duration longest) override {
    if (std::chrono::steady_clock::now() - moved_ > longest) end();
  }

 private:
  void refuse(const std::string& why) {
    outgoing_.push_back(live_message({{"type", "refused"}, {"why", why}}));
  }

  void read() {
    socket_.async_read(incoming_, [self = shared_from_this()](Error error, std::size_t) {
      if (error) {
        self->host_.leave(self);
        return;
      }
      const std::string message = beast::buffers_to_string(self->incoming_.data());
      self->incoming_.consume(self->incoming_.size());
      self->obey(message);
      self->read();
    });
  }

  void obey(const std::string& message) {
    constexpr std::size_t most_answers = 16;
    if (outgoing_.size() > most_answers) {  // the client sends but does not read
      beast::get_lowest_layer(socket_).close();
      return;
    }
    const Json json = Json::parse(message, nullptr, false);
    const bool says = json.is_object() && json.contains("do") && json["do"].is_string();
    const std::string order = says ? json["do"].get<std::string>() : "";
    if (!may_control_) {
      refuse("only the address with the token, which convoy has printed, may do that");
    } else if (order == "stop") {
      host_.options().stop();
      host_.subject().pause(false);  // a paused run would not notice
    } else if (order == "pause" || order == "resume") {
      const std::string refused = host_.subject().pause(order == "pause");
      if (refused.empty()) {
        outgoing_.push_back(host_.subject().now());
      } else {
        refuse(refused);
      }
    } else {
      refuse("expected {\"do\": \"pause\"}, \"resume\" or \"stop\"");
    }
    write();
  }

  // Writes queued messages in order; closes after the last one if no more will follow.
  void write() {
    if (writing_) return;
    if (outgoing_.empty()) {
      if (!closing_) return;
      writing_ = true;
      // Everything is sent: waits only briefly for the closing handshake.
      websocket::stream_base::timeout brief{std::chrono::seconds(1), websocket::stream_base::none(),
                                            false};
      socket_.set_option(brief);
      socket_.async_close(websocket::close_code::normal,
                          [self = shared_from_this()](Error) { self->host_.leave(self); });
      return;
    }
    writing_ = true;
    socket_.text(true);
    write_part(0);
  }

  // Writes in parts, to see progress.
  void write_part(std::size_t from) {
    constexpr std::size_t most = 1 << 16;
    const std::string& all = *outgoing_.front();
    const std::size_t bytes = std::min(most, all.size() - from);
    const bool last = from + bytes == all.size();
    socket_.async_write_some(
        last, boost::asio::buffer(all.data() + from, bytes),
        [self = shared_from_this(), from, bytes, last](Error error, std::size_t) {
          self->moved_ = std::chrono::steady_clock::now();
          if (!error && !last) return self->write_part(from + bytes);
          self->writing_ = false;
          self->outgoing_.pop_front();
          if (error) {
            self->host_.leave(self);
            return;
          }
          self->write();
        });
  }

  websocket::stream<beast::tcp_stream> socket_;
  LiveHost& host_;
  std::shared_ptr<LivePlace> place_;
  bool may_control_;
  std::unique_ptr<LiveFeed> feed_;
  bool told_ = false;  // the first messages have been sent
  beast::flat_buffer incoming_;
  std::deque<LiveMessage> outgoing_;
  bool writing_ = false;
  bool closing_ = false;
  std::chrono::steady_clock::time_point moved_ = std::chrono::steady_clock::now();  // last progress
};

// --- by HTTP ------------------------------------------------------------------------------------

class Visitor : public std::enable_shared_from_this<Visitor> {
 public:
  Visitor(boost::asio::ip::tcp::socket socket, LiveHost& host, std::shared_ptr<LivePlace> place)
      : stream_(std::move(socket)), host_(host), place_(std::move(place)) {}

  void begin() {
    place_->dismiss = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->stream_.close();
    };
    read();
  }

 private:
  void read() {
    constexpr std::chrono::seconds longest(10);  // for the request and its answer
    constexpr std::uint32_t largest_header = 8192;
    parser_.emplace();
    parser_->header_limit(largest_header);
    parser_->body_limit(0);
    stream_.expires_after(longest);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](Error error, std::size_t) {
                       if (error) return;
                       self->handle(self->parser_->release());
                     });
  }

  void handle(const Request& request) {
    const Access& access = host_.access();
    const std::string_view host = view(request[http::field::host]);
    const std::string_view target = view(request.target());
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view token = token_in(target);
    if (!access.is_this_server(host)) {
      reply(request, http::status::forbidden, "This server is not called so (header Host).\n");
    } else if (!Access::is_own_page(view(request[http::field::origin]), host)) {
      reply(request, http::status::forbidden, "Another page sent this (header Origin).\n");
    } else if (!access.may_read(token)) {
      reply(request, http::status::forbidden,
            "The address needs the token that convoy has printed: ?token=...\n");
    } else if (path == "/live" && websocket::is_upgrade(request)) {
      std::make_shared<Viewer>(std::move(stream_), host_, std::move(place_),
                               access.may_control(token))
          ->accept(request);
    } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
      reply(request, http::status::method_not_allowed, "Only GET.\n");
    } else if (path == "/") {
      reply(request, http::status::ok, host_.page(), html);
    } else if (request["Sec-Fetch-Site"] == "cross-site") {
      reply(request, http::status::forbidden, "Another page sent this (Sec-Fetch-Site).\n");
    } else if (auto page = other_page(path)) {
      reply(request, http::status::ok, std::move(*page), html);
    } else {
      reply(request, http::status::not_found,
            "There is no such page: a point's is there once it is done, and as "
            "long as the sweep is running.\n");
    }
  }

  std::optional<std::string> other_page(std::string_view path) {
    try {
      return host_.subject().page(path);
    } catch (const std::exception& e) {
      host_.warn(e.what());
      return std::nullopt;
    }
  }

  void reply(const Request& request, http::status status, std::string body,
             const char* type = "text/plain; charset=utf-8") {
    auto response = std::make_shared<Response>(status, request.version());
    response->set(http::field::content_type, type);
    response->set(http::field::cache_control, "no-store");
    response->set("Referrer-Policy", "no-referrer");  // the URL contains the token
    response->set(http::field::x_frame_options, "DENY");
    response->set("X-Content-Type-Options", "nosniff");
    response->keep_alive(request.keep_alive());
    const std::size_t length = body.size();
    if (request.method() != http::verb::head) response->body() = std::move(body);
    response->content_length(length);
    http::async_write(
        stream_, *response, [self = shared_from_this(), response](Error error, std::size_t) {
          if (error) return;
          if (response->keep_alive()) return self->read();
          Error ignored;
          self->stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
        });
  }

  static constexpr const char* html = "text/html; charset=utf-8";
  beast::tcp_stream stream_;
  LiveHost& host_;
  std::shared_ptr<LivePlace> place_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
};

}  // namespace

void answer(boost::asio::ip::tcp::socket socket, LiveHost& host) {
  Error gone;
  const auto end = socket.remote_endpoint(gone);
  if (gone) return;
  auto place = host.place(end.address());
  std::make_shared<Visitor>(std::move(socket), host, std::move(place))->begin();
}

}  // namespace convoy::analysis
