#include "sim/sweep/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

constexpr int by_signal = 128;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

template <class T>
bool read_whole(int from, T& value) {
  auto* bytes = reinterpret_cast<char*>(&value);
  for (std::size_t have = 0; have < sizeof value;) {
    const ssize_t n = ::read(from, bytes + have, sizeof value - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    have += static_cast<std::size_t>(n);
  }
  return true;
}

template <class T>
bool write_whole(int to, const T& value) {
  const auto* bytes = reinterpret_cast<const char*>(&value);
  for (std::size_t done = 0; done < sizeof value;) {
    const ssize_t n = ::write(to, bytes + done, sizeof value - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

int run_in_child(const std::function<int(std::int64_t)>& run, std::int64_t point) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return 1;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 1;
    try {
      status = run(point);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "convoy: %s\n", base::escaped(e.what()).c_str());
    }
    std::fflush(nullptr);
    ::_exit(status);  // destroying SimGrid and LibTorch takes longer than a small run
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : by_signal + WTERMSIG(status);
}

[[noreturn]] void serve(int from, int to, const std::function<int(std::int64_t)>& run) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A process group of its own: Ctrl-C reaches the dispatcher, which passes it on.
  ::setpgid(0, 0);
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_DFL);
  for (std::int64_t point = 0; read_whole(from, point);) {
    const PointEnd end{point, run_in_child(run, point)};
    if (!write_whole(to, end)) break;
  }
  ::_exit(0);
}

}  // namespace

PointWorker::PointWorker(const std::function<int(std::int64_t)>& run) {
  std::array<int, 2> orders{};
  std::array<int, 2> ends{};
  if (::pipe2(orders.data(), O_CLOEXEC) != 0 || ::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  std::signal(SIGPIPE, SIG_IGN);  // dead workers are noticed by missing answers
  if (pid_ == 0) {
    ::close(orders[1]);
    ::close(ends[0]);
    serve(orders[0], ends[1], run);
  }
  ::setpgid(pid_, pid_);  // in both processes, to avoid a race
  ::close(orders[0]);
  ::close(ends[1]);
  to_ = orders[1];
  from_ = ends[0];
}

PointWorker::PointWorker(PointWorker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)),
      busy_(other.busy_),
      dead_(other.dead_),
      point_(other.point_) {}

PointWorker::~PointWorker() {
  if (pid_ <= 0) return;
  ::close(to_);
  ::close(from_);
  // The worker would not notice the closed pipe: later workers have copies of its ends.
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void PointWorker::begin(std::int64_t point) {
  busy_ = true;
  point_ = point;
  dead_ = !write_whole(to_, point);  // end() reports it
}

PointEnd PointWorker::end() {
  PointEnd end;
  busy_ = false;
  if (read_whole(from_, end)) return end;
  dead_ = true;
  return {point_, by_signal + SIGKILL};
}

void PointWorker::interrupt() const {
  if (busy_) ::kill(-pid_, SIGTERM);
}

std::vector<PointEnd> wait_for_ends(std::vector<PointWorker>& workers, int longest_ms) {
  std::vector<pollfd> ends;
  std::vector<PointWorker*> whose;
  for (PointWorker& worker : workers) {
    if (!worker.busy()) continue;
    ends.push_back({worker.from_, POLLIN, 0});
    whose.push_back(&worker);
  }
  ::poll(ends.data(), ends.size(), longest_ms);
  std::vector<PointEnd> all;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].revents != 0) all.push_back(whose[i]->end());
  }
  return all;
}

}  // namespace convoy::sim
