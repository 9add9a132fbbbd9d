#pragma once

// Programs that run in parallel with a test.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace convoy::test {

// Sanitizers make programs several times slower: all waits below last so many times longer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr double patience = 5;
#else
inline constexpr double patience = 1;
#endif

// A child process, ended by its own id when the object is destroyed.
class Program {
 public:
  // Its output goes to a file.
  Program(const std::string& binary, const std::vector<std::string>& arguments,
          std::filesystem::path log);
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&&) = delete;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  [[nodiscard]] pid_t id() const { return pid_; }
  // Waits for its end, at most a minute or the given time. Gives its exit status, -signal, or 1000
  // if it is still running.
  int wait(double longest_s = 60);
  [[nodiscard]] std::string output() const;
  // Waits until its output contains a text; false after a minute, or if it ended without it.
  [[nodiscard]] bool says(const std::string& text, double longest_s = 60);

 private:
  bool reap(bool block);

  pid_t pid_ = -1;
  int status_ = 1000;
  std::filesystem::path log_;
};

// A port on 127.0.0.1 that was free a moment ago.
int free_port();

// Waits until `holds` is true, checking every few milliseconds; false after the given time.
template <class Holds>
bool eventually(Holds holds, double longest_s = 60);

void nap();

template <class Holds>
bool eventually(Holds holds, double longest_s) {
  for (double waited = 0; waited < longest_s * patience; waited += 0.01) {
    if (holds()) return true;
    nap();
  }
  return holds();
}

}  // namespace convoy::test
