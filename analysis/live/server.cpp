#include "analysis/live/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <future>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "analysis/live/access.hpp"
#include "analysis/live/session.hpp"
#include "analysis/report/report.hpp"
#include "base/diagnostics.hpp"
#include "base/sparing_log.hpp"

namespace convoy::analysis {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

namespace {

// CPU time of this thread.
std::chrono::nanoseconds cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

class LiveServer::Impl : base::NonCopyable, public LiveHost {
 public:
  Impl(LiveOptions options, LiveSubject& subject)
      : options_(std::move(options)),
        subject_(subject),
        access_(options_.host, options_.port, options_.loopback, new_token()),
        page_(live_html(options_.version, subject.kind())),
        acceptor_(io_),
        status_timer_(io_),
        rows_timer_(io_) {
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(options_.host), options_.port);
      acceptor_ = tcp::acceptor(io_, endpoint);
    } catch (const boost::system::system_error& e) {
      throw base::UserError(fmt::format(
          "--serve {}:{}: cannot be listened on ({}); choose {}", options_.host, options_.port,
          e.code().message(),
          e.code() == asio::error::address_in_use || e.code() == asio::error::access_denied
              ? "another port"
              : "an address of this machine, such as 127.0.0.1"));
    }
    accept();
    tell_status();
    tell_rows();
    thread_ = std::jthread([this] {
      // Lowest priority: the run goes first.
      constexpr int least = 19;
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), least);
      // Errors here must not stop the run.
      while (!io_.stopped()) {
        try {
          io_.run();
        } catch (const std::exception& e) {
          spdlog::error("the live view: {}", e.what());
        }
      }
    });
  }

  ~Impl() override { io_.stop(); }

  [[nodiscard]] std::string url() const { return access_.url(options_.shown); }

  void is_over() {
    // No new viewers from here on.
    std::promise<bool> promise;
    auto somebody = promise.get_future();
    asio::post(io_, [this, &promise] {
      closed_ = true;
      Error ignored;
      acceptor_.close(ignored);
      status_timer_.cancel();
      rows_timer_.cancel();
      promise.set_value(!sessions_.empty());
    });
    if (somebody.get()) tell_the_end();
    io_.stop();
    thread_.join();
  }

  // --- LiveHost ---------------------------------------------------------------------------------

  [[nodiscard]] const Access& access() const override { return access_; }
  [[nodiscard]] const std::string& page() const override { return page_; }
  [[nodiscard]] const LiveOptions& options() const override { return options_; }
  [[nodiscard]] LiveSubject& subject() override { return subject_; }

  std::shared_ptr<LivePlace> place(const asio::ip::address& address) override {
    constexpr std::size_t most = 64;
    if (places_.size() >= most) {
      std::map<asio::ip::address, int> held;
      ++held[address];
      for (const Place* p : places_) ++held[p->address];
      const int largest =
          std::ranges::max_element(held, {}, [](const auto& h) { return h.second; })->second;
      const auto leaves = std::find_if(places_.begin(), places_.end(),
                                       [&](const Place* p) { return held[p->address] == largest; });
      const auto dismiss = (*leaves)->dismiss;
      places_.erase(leaves);
      if (dismiss) dismiss();
    }
    auto place = std::make_shared<Place>(*this, address);
    places_.push_back(place.get());
    return place;
  }
  void warn(const std::string& what) override {
    const double now =
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    if (const auto line = log_.tell("", what, now)) spdlog::warn("the live view: {}", *line);
  }
  bool join(const std::shared_ptr<LiveSession>& session) override {
    constexpr std::size_t most = 16;  // limit: each viewer reads the store separately
    if (closed_) return false;
    if (sessions_.size() >= most) {
      const auto looker = std::find_if(sessions_.begin(), sessions_.end(),
                                       [](const auto& s) { return s->gives_way(); });
      if (session->gives_way() || looker == sessions_.end()) return false;
      // A copy: end() removes the viewer from the set.
      const auto leaves = *looker;  // NOLINT(performance-unnecessary-copy-initialization)
      leaves->end();
    }
    sessions_.insert(session);
    return true;
  }
  void leave(const std::shared_ptr<LiveSession>& session) override {
    sessions_.erase(session);
    check_over();
  }

 private:
  struct Place : LivePlace {
    Place(Impl& h, asio::ip::address a) : host(h), address(std::move(a)) {}
    ~Place() override { std::erase(host.places_, this); }
    Impl& host;
    asio::ip::address address;
  };

  // Made once for all viewers, by the caller's thread, which has finished its work.
  void tell_the_end() {
    LiveMessage last;
    try {
      last = subject_.end();
    } catch (const std::exception& e) {
      spdlog::warn("the live view: {}", e.what());
      return;
    }
    auto told = all_told_.get_future();
    asio::post(io_, [this, last] {
      finishing_ = true;
      for (const auto& session : std::set(sessions_)) session->finish(last);
      check_over();
      end_the_stuck();
    });
    told.wait_for(options_.patience);
  }

  // Drops viewers that receive nothing.
  void end_the_stuck() {
    if (!finishing_) return;
    constexpr std::chrono::milliseconds every(100);
    status_timer_.expires_after(every);
    status_timer_.async_wait([this](Error error) {
      if (error) return;
      for (const auto& session : std::set(sessions_)) {
        session->end_if_stuck(options_.patience_when_stuck);
      }
      end_the_stuck();
    });
  }

  void accept() {
    acceptor_.async_accept([this](Error error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (error) {  // out of descriptors, perhaps: retry after a pause
        again_.expires_after(std::chrono::milliseconds(100));
        again_.async_wait([this](Error) { accept(); });
        return;
      }
      // Accept again first, so that an error below does not stop the server.
      accept();
      answer(std::move(socket), *this);
    });
  }

  void tell_status() {
    constexpr std::chrono::milliseconds every(250);
    status_timer_.expires_after(every);
    status_timer_.async_wait([this](Error error) {
      // At the end the timer serves end_the_stuck(); this call may have been pending.
      if (error || finishing_) return;
      tell_status();  // first, so that errors below do not stop it
      for (const auto& session : std::set(sessions_)) session->tell_status();
      if (!sessions_.empty()) subject_.ask_for_status();
    });
  }

  // Tells what is new less often the longer that takes: limits the thread to 2 % of a core; to 10 %
  // where one call takes longer than a fifth of a second.
  void tell_rows() {
    using std::chrono::milliseconds;
    const auto longest = std::max<std::chrono::nanoseconds>(milliseconds(10'000), 10 * spent_);
    const auto pause =
        std::clamp<std::chrono::nanoseconds>(50 * spent_, milliseconds(500), longest);
    rows_timer_.expires_after(pause);
    rows_timer_.async_wait([this](Error error) {
      if (error) return;
      const auto begun = cpu_time();
      try {
        for (const auto& session : std::set(sessions_)) session->tell_rows();
      } catch (const std::exception& e) {
        warn(e.what());
      }
      // Most calls find nothing new: the last that did counts for a while.
      spent_ = std::max<std::chrono::nanoseconds>(cpu_time() - begun, spent_ / 2);
      tell_rows();
    });
  }

  void check_over() {
    if (!finishing_ || !sessions_.empty()) return;
    finishing_ = false;
    all_told_.set_value();
  }

  LiveOptions options_;
  LiveSubject& subject_;
  Access access_;
  std::string page_;
  std::vector<Place*> places_;  // places taken, oldest first; outlives their holders
  base::SparingLog log_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  asio::steady_timer status_timer_;
  asio::steady_timer rows_timer_;
  asio::steady_timer again_{io_};
  std::chrono::nanoseconds spent_{};  // CPU time for the last rows
  std::set<std::shared_ptr<LiveSession>> sessions_;
  bool closed_ = false;     // the run is over: no new viewers
  bool finishing_ = false;  // sending the end to the viewers
  // Must outlive the thread: a waiting caller may have given up.
  std::promise<void> all_told_;
  std::jthread thread_;  // last: joined before the members that it uses go
};

LiveServer::LiveServer(LiveOptions options, LiveSubject& subject)
    : impl_(std::make_unique<Impl>(std::move(options), subject)) {}
LiveServer::~LiveServer() = default;
std::string LiveServer::url() const { return impl_->url(); }
void LiveServer::is_over() { impl_->is_over(); }

}  // namespace convoy::analysis
