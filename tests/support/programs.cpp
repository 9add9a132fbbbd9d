#include "tests/support/programs.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/files.hpp"

namespace convoy::test {

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

Program::Program(const std::string& binary, const std::vector<std::string>& arguments,
                 std::filesystem::path log)
    : log_(std::move(log)) {
  std::vector<char*> raw = {const_cast<char*>(binary.c_str())};
  for (const std::string& a : arguments) raw.push_back(const_cast<char*>(a.c_str()));
  raw.push_back(nullptr);
  const int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  pid_ = ::fork();
  if (pid_ != 0) {
    ::close(out);
    return;
  }
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execvp(binary.c_str(), raw.data());
  ::_exit(127);
}

Program::Program(Program&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_), log_(std::move(other.log_)) {}

Program::~Program() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool Program::reap(bool block) {
  if (pid_ <= 0) return true;
  int status = 0;
  if (::waitpid(pid_, &status, block ? 0 : WNOHANG) != pid_) return false;
  pid_ = -1;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return true;
}

int Program::wait(double longest_s) {
  eventually([this] { return reap(false); }, longest_s);
  return pid_ > 0 ? 1000 : status_;
}

std::string Program::output() const { return read_file(log_); }

bool Program::says(const std::string& text, double longest_s) {
  bool there = false;
  eventually(
      [&] {
        const bool over = reap(false);
        there = output().find(text) != std::string::npos;
        return there || over;
      },
      longest_s);
  return there;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace convoy::test
