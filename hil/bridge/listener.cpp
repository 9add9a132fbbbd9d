#include "hil/bridge/listener.hpp"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <chrono>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "hil/protocol/tls.hpp"
#include "hil/testbed/names.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;

constexpr int most_strangers = 64;  // at once at the door
// Of the lists in a Hello: what takes four bytes on the wire each may take far more when unpacked.
constexpr std::size_t most_missing = 64;
constexpr std::size_t most_known = 4096;

template <class List>
bool longer_than(std::size_t most, const List* list) {
  return list != nullptr && list->size() > most;
}

}  // namespace

void refuse(Connection& connection, const std::string& reason, bool for_good) {
  wire::RefusedT refused;
  refused.reason = reason;
  refused.for_good = for_good;
  connection.send(std::move(refused));
  connection.finish(reason);
}

class Listener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, const Inventory& inventory, Welcome welcome, Turned turned,
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
          Role::coordinator);
    } else if (!is_loopback(inventory.listen.host)) {
      throw base::UserError("insecure is for loopback addresses only");
    }
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(inventory.listen.host),
                                   inventory.listen.port);
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
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
            self->accepted(std::move(socket));
            self->accept();
            return;
          }
          // Out of sockets, perhaps: not at once again.
          self->pause_.expires_after(100ms);
          self->pause_.async_wait([self](const error_code& cancelled) {
            if (!cancelled) self->accept();
          });
        });
  }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    welcome_ = {};
    turned_ = {};
  }

 private:
  // Lives from the accepting to the first word.
  struct Stranger {
    explicit Stranger(Impl& door) : door_(door), timer(door.io_) { ++door_.strangers_; }
    ~Stranger() { --door_.strangers_; }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    Impl& door_;
    asio::steady_timer timer;
    std::unique_ptr<Stream> stream;
    std::weak_ptr<Connection> connection;  // once the handshake is done
    std::string name;                      // of its certificate
  };

  void accepted(tcp::socket socket) {
    if (strangers_ >= most_strangers) return;  // closes it
    auto stranger = std::make_shared<Stranger>(*this);
    stranger->stream = std::make_unique<Stream>(std::move(socket), tls_);
    // For the handshake and the first word together.
    stranger->timer.expires_after(patience_);
    stranger->timer.async_wait([weak = std::weak_ptr(stranger)](const error_code& cancelled) {
      const auto there = weak.lock();
      if (cancelled || !there) return;
      if (there->stream) there->stream->close();
      if (const auto connection = there->connection.lock()) {
        connection->close("it does not say who it is");
      }
    });
    stranger->stream->handshake(Role::coordinator,
                                [self = shared_from_this(), stranger](const std::string& failure) {
                                  if (failure.empty()) {
                                    self->identify(stranger);
                                  } else {
                                    self->turned("", stranger->stream->remote(), failure);
                                  }
                                });
  }

  void turned(const std::string& name, const std::string& from, const std::string& why) {
    // A copy: it may close the listener, which drops it.
    const Turned tell = turned_;
    if (tell) tell(name, from, why);
  }

  void identify(const std::shared_ptr<Stranger>& stranger) {
    const std::string from = stranger->stream->remote();
    if (stranger->stream->is_secure()) {
      const IdentityCheck peer = stranger->stream->peer();
      if (!peer.identity || peer.identity->role != Role::node) {
        turned("", from, peer.identity ? "it has no node's certificate" : peer.refusal);
        return;
      }
      stranger->name = peer.identity->name;
    }
    auto connection = std::make_shared<Connection>(std::move(stranger->stream));
    stranger->connection = connection;
    const auto hear = [self = shared_from_this(), stranger, from,
                       weak = std::weak_ptr(connection)](const wire::Message& message) {
      const auto there = weak.lock();
      const wire::Hello* hello = message.body_as_Hello();
      if (hello == nullptr) throw ProtocolError("its first word is no hello");
      stranger->timer.cancel();
      if (there) self->hear(there, stranger->name, *hello);
    };
    const auto closed = [self = shared_from_this(), stranger, from](const std::string& why) {
      self->turned(stranger->name, from, why);
    };
    // Silence is noticed as everywhere; the connection keeps itself alive while it is open.
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
      turned(certified.empty() ? clean_for_log(hello.name) : certified, from, why);
      refuse(*connection, why, for_good);
    };
    if (!is_clean_name(hello.name)) return turn_away("it gives no proper name", true);
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
  Inventory inventory_;
  Welcome welcome_;
  Turned turned_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  int strangers_ = 0;
};

Listener::Listener(asio::io_context& io, const Inventory& inventory, Welcome welcome, Turned turned,
                   std::chrono::milliseconds patience)
    : impl_(
          std::make_shared<Impl>(io, inventory, std::move(welcome), std::move(turned), patience)) {
  impl_->accept();
}
Listener::~Listener() { close(); }
void Listener::close() { impl_->close(); }

}  // namespace convoy::hil
