#include "sensors/tegrastats_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace convoy::sensors {
namespace {

constexpr std::size_t longest_line = 65536;  // about 20 times the longest line of any release
constexpr std::chrono::milliseconds grace(500);

// A pipe that closes its ends.
class Pipe : base::NonCopyable {
 public:
  // Throws std::system_error.
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "a pipe cannot be opened");
    }
  }
  ~Pipe() {
    close_in();
    ::close(ends_[0]);
  }

  [[nodiscard]] int out() const { return ends_[0]; }
  [[nodiscard]] int in() const { return ends_[1]; }
  void close_in() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }

 private:
  std::array<int, 2> ends_{};
};

// The settings of the new process between fork and exec.
class SpawnSettings : base::NonCopyable {
 public:
  explicit SpawnSettings(int standard_output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // The pipe first: if the agent runs without standard input, the pipe may have number 0.
    posix_spawn_file_actions_adddup2(&actions_, standard_output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    // The agent may block or ignore signals. The program must end by SIGTERM, and by SIGPIPE if the
    // agent was killed and could not end it.
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Waits for the end of a process for at most `time`; true if it has ended.
bool wait_for_end(pid_t pid, std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (true) {
    const pid_t ended = ::waitpid(pid, nullptr, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

class TegrastatsProcess::Impl : base::NonCopyable {
 public:
  Impl(std::string program, std::chrono::milliseconds interval)
      : program_(std::move(program)), interval_(interval) {}

  ~Impl() {
    wake_.close_in();
    if (reader_.joinable()) reader_.join();
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    if (wait_for_end(pid_, grace)) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  // Gives 0 or an errno value.
  [[nodiscard]] int start() {
    const SpawnSettings settings(lines_.in());
    std::string option = "--interval";
    std::string milliseconds = std::to_string(interval_.count());
    const std::array<char*, 4> arguments = {program_.data(), option.data(), milliseconds.data(),
                                            nullptr};
    const int error = ::posix_spawnp(&pid_, program_.c_str(), settings.actions(),
                                     settings.attributes(), arguments.data(), environ);
    if (error != 0) {
      pid_ = -1;
      return error;
    }
    lines_.close_in();  // so that the pipe ends when the program ends
    reader_ = std::jthread([this] { read_lines(); });
    return 0;
  }

  [[nodiscard]] std::optional<TegrastatsLine> last() const {
    const std::lock_guard lock(mutex_);
    const auto age = std::chrono::steady_clock::now() - line_time_;
    if (!line_ || age > 3 * interval_ + std::chrono::seconds(1)) return std::nullopt;
    return line_;
  }

  [[nodiscard]] std::string problem() const {
    {
      const std::lock_guard lock(mutex_);
      if (!ended_) return "";
    }
    // WNOWAIT: only looks; the process stays waitable, so its id is not reused.
    siginfo_t end{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        end.si_pid == pid_) {
      return fmt::format("{} ended {} {}", program_,
                         end.si_code == CLD_EXITED ? "with status" : "by signal", end.si_status);
    }
    return fmt::format("{} prints no more", program_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void read_lines() {
    std::string text;
    std::array<char, 4096> bytes{};
    while (true) {
      std::array<pollfd, 2> files = {pollfd{lines_.out(), POLLIN, 0},
                                     pollfd{wake_.out(), POLLIN, 0}};
      if (::poll(files.data(), files.size(), -1) < 0) {
        if (errno == EINTR) continue;
        break;
      }
      if (files[1].revents != 0) break;  // the other end was closed
      const ssize_t count = ::read(lines_.out(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      text.append(bytes.data(), static_cast<std::size_t>(count));
      take_lines(text);
      if (text.size() > longest_line) text.clear();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }

  // Removes complete lines from the front of `text` and parses them.
  void take_lines(std::string& text) {
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos;
         end = text.find('\n', begin)) {
      std::optional<TegrastatsLine> line =
          parse_tegrastats(std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
      if (!line) continue;
      const std::lock_guard lock(mutex_);
      line_ = std::move(line);
      line_time_ = std::chrono::steady_clock::now();
    }
    text.erase(0, begin);
  }

  std::string program_;
  std::chrono::milliseconds interval_;
  pid_t pid_ = -1;
  Pipe lines_;  // from the program
  Pipe wake_;   // closed to end the reader

  mutable std::mutex mutex_;
  std::optional<TegrastatsLine> line_;
  std::chrono::steady_clock::time_point line_time_;
  bool ended_ = false;

  std::jthread reader_;  // last: joined before the members that it uses are destroyed
};

std::unique_ptr<TegrastatsProcess> TegrastatsProcess::start(const std::string& program,
                                                            std::chrono::milliseconds interval,
                                                            std::string& problem) {
  auto impl = std::make_unique<Impl>(program, interval);
  const int error = impl->start();
  if (error == 0) return std::make_unique<TegrastatsProcess>(std::move(impl));
  if (error == ENOENT) {
    problem = program.find('/') == std::string::npos ? fmt::format("no {} on the PATH", program)
                                                     : fmt::format("no program {}", program);
  } else {
    problem =
        fmt::format("{} cannot be started ({})", program, std::generic_category().message(error));
  }
  return nullptr;
}

TegrastatsProcess::TegrastatsProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TegrastatsProcess::~TegrastatsProcess() = default;

std::optional<TegrastatsLine> TegrastatsProcess::last() const { return impl_->last(); }

std::string TegrastatsProcess::problem() const { return impl_->problem(); }

pid_t TegrastatsProcess::pid() const { return impl_->pid(); }

}  // namespace convoy::sensors
