#pragma once

// One task over the whole way that tasks take, within this process: an agent connects to a small
// coordinator on 127.0.0.1 with TLS and fresh certificates, is set up, trains, and sends its update
// back. What comes back is held against the same task done without any of that.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace convoy::hil {

struct LoopbackResult {
  std::string failure;           // why there is no update; empty: there is one
  double joined_s = 0;           // from the agent's start until it is set up, LibTorch loaded
  double task_s = 0;             // from the assignment until the update has come and was checked
  double training_s = 0;         // of it, by the agent's clock
  std::uint64_t sent_bytes = 0;  // what the task starts from
  std::uint64_t received_bytes = 0;  // its update
  std::int64_t samples = 0;
  double loss = 0;
  // The update is, bit by bit, that of the same task done without a network. On a GPU it need not
  // be: kernels that add in any order.
  bool same_bits = false;
  double largest_difference = 0;  // of its values
};

struct LoopbackOptions {
  std::string device = "cpu";  // that computes, or cuda:0
  std::chrono::seconds patience{300};
  const std::atomic<bool>* interrupted = nullptr;  // looked at now and then: then it has failed
};

// Certificates lie in a temporary folder meanwhile. Never throws for what goes wrong on the way:
// that is a result.
LoopbackResult loopback_task(const LoopbackOptions& options);

}  // namespace convoy::hil
