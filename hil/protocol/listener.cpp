#include "hil/protocol/listener.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "hil/protocol/tls.hpp"
#include "testbed/names.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_strangers = 64;  // limit for silent and for speaking connections, each
// Limit for lists in a Hello: an element of four bytes may need far more memory when unpacked.
constexpr std::size_t most_missing = 64;
constexpr std::size_t most_known = 4096;

template <class List>
bool longer_than(std::size_t most, const List* list) {
  return list != nullptr && list->size() > most;
}

}  // namespace

class Listener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, const testbed::Inventory& inventory, Welcome welcome, Turned turned,
       std::chrono::milliseconds patience)
      : io_(io),
        inventory_(inventory),
        welcome_(std::move(welcome)),
        turned_(std::move(turned)),
        patience_(patience),
        acceptor_(io),
        pause_(io) {
    if (!inventory.insecure) {
      tls_ = tls_context(
          {inventory.certificate, inventory.key, inventory.authority, inventory.revoked},
          testbed::Role::coordinator);
    } else if (!testbed::is_loopback(inventory.listen.host)) {
      throw base::UserError("insecure is for loopback addresses only");
    }
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(inventory.listen.host),
                                   inventory.listen.port);
      acceptor_ = tcp::acceptor(io_, endpoint);
    } catch (const boost::system::system_error& e) {
      throw base::UserError(
          fmt::format("{}: cannot be listened on: {}", inventory.listen.str(), e.code().message()));
    }
  }

  void accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& failure, tcp::socket socket) {
          if (failure == asio::error::operation_aborted) return;
          if (!failure) {
            // Accept again first, so that an error below does not stop the listener.
            self->accept();
            self->accepted(std::move(socket));
            return;
          }
          // Out of sockets, perhaps: not at once again.
          after(self->pause_, 100ms, [self] { self->accept(); });
        });
  }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    welcome_ = {};
    turned_ = {};
    for (auto& places : places_) {
      for (const auto& stranger : std::exchange(places, {})) {
        if (!stranger->connection.lock()) stranger->dismiss("the coordinator ends");
      }
    }
  }

 private:
  // Places are limited by stage: connections waiting for their first byte do not compete with those
  // that are identifying themselves, so that many silent ones keep nobody out.
  enum Stage : std::uint8_t { silent, speaking, stages };

  // A connection from accept() until it is welcomed or has ended.
  struct Stranger {
    explicit Stranger(tcp::socket accepted) : timer(accepted.get_executor()) {
      socket.emplace(std::move(accepted));
    }
    void dismiss(const std::string& why) {
      dismissed = why;
      timer.cancel();
      error_code ignored;
      if (socket) socket->close(ignored);
      if (stream) stream->close();
      if (const auto there = connection.lock()) there->close(why);
    }
    [[nodiscard]] bool is_over() const {
      if (welcomed || !dismissed.empty()) return true;
      if (socket || stream) return false;
      const auto there = connection.lock();
      return !there || !there->is_open();
    }

    std::string host;
    std::string from;  // with the port
    asio::steady_timer timer;
    std::optional<tcp::socket> socket;     // until its first byte
    std::unique_ptr<Stream> stream;        // until the end of the handshake
    std::weak_ptr<Connection> connection;  // after the handshake
    std::string name;                      // of its certificate
    std::string dismissed;                 // reason
    bool welcomed = false;
  };
  using Places = std::list<std::shared_ptr<Stranger>>;  // oldest first

  void accepted(tcp::socket socket) {
    error_code gone;
    const tcp::endpoint end = socket.remote_endpoint(gone);
    if (gone) return;
    auto stranger = std::make_shared<Stranger>(std::move(socket));
    stranger->host = host_of(end.address());
    stranger->from = fmt::format("{}:{}", end.address().to_string(), end.port());
    give_place(stranger, silent);
    // An honest agent sends at once.
    be_patient(stranger, patience_ / 4, "it says nothing");
    stranger->socket->async_wait(tcp::socket::wait_read,
                                 [self = shared_from_this(), stranger](const error_code& failure) {
                                   if (failure && stranger->dismissed.empty())
                                     stranger->dismissed = failure.message();
                                   if (stranger->dismissed.empty()) {
                                     self->speaks(stranger);
                                   } else {
                                     self->turned("", stranger->from, stranger->dismissed);
                                   }
                                 });
  }

  // If all places are taken, the oldest connection of the host with the most places is dropped: a
  // host cannot displace others by connecting often.
  void give_place(const std::shared_ptr<Stranger>& stranger, Stage stage) {
    Places& places = places_.at(stage);
    places.remove_if([](const auto& s) { return s->is_over(); });
    if (places.size() >= most_strangers) {
      std::map<std::string, int> held;
      ++held[stranger->host];
      for (const auto& s : places) ++held[s->host];
      const int most =
          std::ranges::max_element(held, {}, [](const auto& h) { return h.second; })->second;
      const auto leaves = std::find_if(places.begin(), places.end(),
                                       [&](const auto& s) { return held[s->host] == most; });
      // Deferred: the consequences must not affect the new connection.
      asio::post(io_, [dismissed = *leaves] {
        if (!dismissed->is_over()) {
          dismissed->dismiss(
              "it has made way for another who came later; it did not say in time who it is");
        }
      });
      places.erase(leaves);
    }
    places.push_back(stranger);
  }

  // The address; for IPv6 the network part, since a host can choose the rest.
  static std::string host_of(const asio::ip::address& address) {
    if (address.is_v4()) return address.to_string();
    const asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
    if (v6.is_loopback()) return v6.to_string();
    auto bytes = v6.to_bytes();
    std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), 0);
    return asio::ip::address_v6(bytes).to_string();
  }

  static void be_patient(const std::shared_ptr<Stranger>& stranger,
                         std::chrono::milliseconds patience, const char* why) {
    after(stranger->timer, patience, [weak = std::weak_ptr(stranger), why] {
      if (const auto there = weak.lock()) there->dismiss(why);
    });
  }

  void speaks(const std::shared_ptr<Stranger>& stranger) {
    places_.at(silent).remove(stranger);
    if (!acceptor_.is_open()) return;
    stranger->stream =
        std::make_unique<Stream>(*std::exchange(stranger->socket, std::nullopt), tls_);
    give_place(stranger, speaking);
    // Time limit for the handshake and the Hello together.
    be_patient(stranger, patience_, "it does not say who it is");
    const auto met = [self = shared_from_this(), stranger](const std::string& failure) {
      if (failure.empty() && stranger->dismissed.empty()) {
        self->identify(stranger);
      } else {
        // The failed stream is destroyed at the end of this block.
        const auto stream = std::move(stranger->stream);
        self->turned("", stranger->from,
                     stranger->dismissed.empty() ? failure : stranger->dismissed);
      }
    };
    stranger->stream->handshake(testbed::Role::coordinator, met);
  }

  void turned(const std::string& name, const std::string& from, const std::string& why) {
    // A copy: the callback may close the listener, which deletes it.
    const Turned tell = turned_;
    if (tell) tell(name, from, why);
  }

  void identify(const std::shared_ptr<Stranger>& stranger) {
    if (stranger->stream->is_secure()) {
      const testbed::IdentityCheck peer = stranger->stream->peer();
      if (!peer.identity || peer.identity->role != testbed::Role::node) {
        const auto stream = std::move(stranger->stream);
        turned("", stranger->from, peer.identity ? "it has no node's certificate" : peer.refusal);
        return;
      }
      stranger->name = peer.identity->name;
    }
    auto connection = std::make_shared<Connection>(std::move(stranger->stream));
    stranger->connection = connection;
    const auto hear = [self = shared_from_this(), stranger,
                       weak = std::weak_ptr(connection)](const wire::Message& message) {
      const auto there = weak.lock();
      const wire::Hello* hello = message.body_as_Hello();
      if (hello == nullptr) throw ProtocolError("its first word is no hello");
      stranger->timer.cancel();
      if (!there) return;
      self->hear(there, stranger->name, *hello);
      // A refused agent keeps its place until it has closed: it may need time to read the reason.
      stranger->welcomed = !there->is_ending();
    };
    const auto closed = [self = shared_from_this(), stranger](const std::string& why) {
      self->turned(stranger->name, stranger->from, why);
    };
    // Silence ends the connection as usual; heartbeats keep an open one alive.
    connection->start({hear, closed}, 1s, 2 * patience_);
  }

  void hear(const std::shared_ptr<Connection>& connection, const std::string& certified,
            const wire::Hello& said) {
    if (longer_than(most_missing, said.missing()) || longer_than(most_known, said.known())) {
      throw ProtocolError("its hello is too long");
    }
    wire::HelloT hello;
    said.UnPackTo(&hello);
    const std::string from = connection->stream().remote();
    const auto turn_away = [&](const std::string& why, bool for_good) {
      connection->handlers({[](const wire::Message&) {}, [](const std::string&) {}});
      turned(certified.empty() ? testbed::clean_for_log(hello.name) : certified, from, why);
      refuse(*connection, why, for_good);
    };
    if (!testbed::is_clean_name(hello.name)) return turn_away("it gives no proper name", true);
    if (!certified.empty() && certified != hello.name) {
      return turn_away(fmt::format("it says that it is \"{}\", and its certificate is that of "
                                   "\"{}\"",
                                   hello.name, certified),
                       true);
    }
    if (!inventory_.nodes.empty() && inventory_.find(hello.name) == nullptr) {
      return turn_away(fmt::format("\"{}\" is not in the inventory", hello.name), true);
    }
    if (hello.protocol_min > protocol_version || hello.protocol_max < protocol_version) {
      return turn_away(fmt::format("it speaks protocol {} to {}, this coordinator speaks {}; bring "
                                   "both to the same version of Convoy",
                                   hello.protocol_min, hello.protocol_max, protocol_version),
                       true);
    }
    for (std::string* text :
         {&hello.device, &hello.session, &hello.run, &hello.boot, &hello.software}) {
      *text = base::printable(*text);
    }
    for (std::string& text : hello.missing) text = base::printable(text);
    const Welcome welcome = welcome_;  // as above
    if (!welcome) return turn_away("the coordinator ends", false);
    welcome(connection, hello);
  }

  asio::io_context& io_;
  testbed::Inventory inventory_;
  Welcome welcome_;
  Turned turned_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::array<Places, stages> places_;
};

Listener::Listener(asio::io_context& io, const testbed::Inventory& inventory, Welcome welcome,
                   Turned turned, std::chrono::milliseconds patience)
    : impl_(
          std::make_shared<Impl>(io, inventory, std::move(welcome), std::move(turned), patience)) {
  impl_->accept();
}
Listener::~Listener() { close(); }
std::uint16_t Listener::port() const { return impl_->port(); }
void Listener::close() { impl_->close(); }

}  // namespace convoy::hil
