// libFuzzer target for the coordinator's listener, without TLS: any stranger is welcomed with a
// clean name and our protocol version, or turned away with a reason, and uses no more memory than
// the limits allow. The bytes are the script of a peer (peer_script.hpp).

#include <sanitizer/allocator_interface.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "hil/protocol/listener.hpp"
#include "testbed/names.hpp"
#include "tests/fuzz/peer_script.hpp"

namespace {

using namespace convoy;  // NOLINT(google-build-using-namespace)
using fuzz::Bytes;
using fuzz::Script;

constexpr std::size_t most_memory = 16U << 20U;  // for one stranger: a message and its copies

void insist(bool so) {
  if (!so) std::abort();
}

// A name that is clean and short enough for a log and a file name.
void check_text(const std::string& text) { insist(text.size() <= 200 && base::is_printable(text)); }

class Door {
 public:
  explicit Door(std::vector<testbed::InventoryNode> nodes) {
    testbed::Inventory inventory;
    inventory.insecure = true;
    inventory.nodes = std::move(nodes);
    known_ = inventory;
    for (int attempt = 0; listener_ == nullptr; ++attempt) {
      hil::tcp::acceptor probe(io_, {hil::asio::ip::address_v4::loopback(), 0});
      address_ = probe.local_endpoint();
      probe.close();
      inventory.listen = {"127.0.0.1", address_.port()};
      try {
        listener_ = std::make_unique<hil::Listener>(
            io_, inventory,
            [this](const std::shared_ptr<hil::Connection>& connection,
                   const hil::wire::HelloT& hello) { welcome(connection, hello); },
            [this](const std::string& name, const std::string&, const std::string& why) {
              check_text(name);
              insist(!why.empty() && ++outcomes_ == 1);
            },
            std::chrono::hours(1));
      } catch (const base::UserError&) {
        insist(attempt < 10);  // another process took the port
      }
    }
  }

  void meet(Script& script) {
    outcomes_ = 0;
    ended_ = false;
    before_ = __sanitizer_get_current_allocated_bytes();
    hil::tcp::socket socket(io_);
    // Not a blocking call, which the fuzzer's alarm would interrupt.
    bool connected = false;
    socket.async_connect(address_, [&](const hil::error_code& failure) {
      insist(!failure);
      connected = true;
    });
    while (!connected) settle();
    socket.non_blocking(true);
    // Closes with a reset, else the ports run out.
    socket.set_option(hil::asio::socket_base::linger(true, 0));
    fuzz::Peer peer(script);
    for (int words = 0; words < 50 && !script.ended() && !over(); ++words) {
      say(socket, peer.next());
    }
    if (script.yes() && !over()) {
      hil::error_code ignored;
      socket.shutdown(hil::tcp::socket::shutdown_send, ignored);
      settle();
    }
    socket.close();
    const auto hung = std::chrono::steady_clock::now() + std::chrono::seconds(8);
    while (!over()) {
      settle();
      insist(std::chrono::steady_clock::now() < hung);
    }
    settle();
    if (inside_) inside_->close("enough");
    settle();
    inside_.reset();
  }

 private:
  [[nodiscard]] bool over() const { return outcomes_ > 0; }

  void welcome(const std::shared_ptr<hil::Connection>& connection, const hil::wire::HelloT& hello) {
    insist(++outcomes_ == 1);
    bounded();
    insist(testbed::is_clean_name(hello.name));
    insist(known_.nodes.empty() || known_.find(hello.name) != nullptr);
    insist(hello.protocol_min <= hil::protocol_version &&
           hello.protocol_max >= hil::protocol_version);
    for (const std::string& text :
         {hello.device, hello.session, hello.run, hello.boot, hello.software}) {
      check_text(text);
    }
    for (const std::string& text : hello.missing) check_text(text);
    // From now on another owner keeps the connection.
    connection->handlers({[](const hil::wire::Message&) {},
                          [this](const std::string&) {
                            insist(!ended_);
                            ended_ = true;
                          }});
    inside_ = connection;
  }

  void settle() {
    io_.restart();
    while (io_.poll() > 0) bounded();
  }
  void bounded() const {
    insist(__sanitizer_get_current_allocated_bytes() < before_ + most_memory);
  }
  void say(hil::tcp::socket& socket, const Bytes& bytes) {
    std::size_t said = 0;
    Bytes some(65536);
    while (said < bytes.size()) {
      hil::error_code failure;
      said +=
          socket.write_some(hil::asio::buffer(bytes.data() + said, bytes.size() - said), failure);
      settle();
      if (failure && failure != hil::asio::error::would_block) return;
      socket.read_some(hil::asio::buffer(some), failure);
    }
  }

  hil::asio::io_context io_{1};
  testbed::Inventory known_;
  hil::tcp::endpoint address_;
  std::unique_ptr<hil::Listener> listener_;
  std::shared_ptr<hil::Connection> inside_;
  int outcomes_ = 0;  // results of the meeting: welcomed or turned away, exactly one
  bool ended_ = false;
  std::size_t before_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Door anybody({});
  static Door inventory({{"orin-1", ""}, {"nano-1", ""}});
  Script script(data, size);
  (script.yes() ? anybody : inventory).meet(script);
  return 0;
}
