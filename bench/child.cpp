#include "bench/child.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "bench/report.hpp"

namespace convoy::bench {
namespace {

// Waits for a child; notes its peak memory and CPU time.
void wait_for(pid_t child, const std::string& what, Measured& measured) {
  int status = 0;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(what + " failed");
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  measured.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  measured.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Measured in_child(const std::function<double()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const double seconds = work();
    const bool written = ::write(ends[1], &seconds, sizeof seconds) == sizeof seconds;
    std::_Exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  Measured measured;
  const bool read =
      ::read(ends[0], &measured.seconds, sizeof measured.seconds) == sizeof measured.seconds;
  ::close(ends[0]);
  wait_for(child, "a measurement", measured);
  if (!read) throw std::runtime_error("a measurement gave nothing");
  return measured;
}

Measured command(const std::string& line) {
  std::fflush(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", ("exec " + line).c_str(), nullptr);
    std::_Exit(127);
  }
  Measured measured;
  wait_for(child, line, measured);
  measured.seconds = seconds_since(start);
  return measured;
}

Beside::Beside(const std::function<void()>& work, int core) {
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) == 0) work();
  std::_Exit(0);
}

Beside::Beside(const std::string& command, int core)
    : Beside([&] { ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr); }, core) {}

Beside::Beside(Beside&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Beside::~Beside() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace convoy::bench
