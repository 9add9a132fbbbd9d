#pragma once

// Runs one task over the full protocol within this process: an agent connects to a small
// coordinator on 127.0.0.1 with TLS and fresh certificates, is set up, trains and sends its update.
// The update is compared with the same task run directly on the engine.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace convoy::hil {

struct LoopbackResult {
  std::string failure;           // why no update came; empty: it came
  double joined_s = 0;           // from the agent's start until it is set up, with LibTorch loaded
  double task_s = 0;             // from the assignment until the update is received and checked
  double training_s = 0;         // part of task_s, by the agent's clock
  std::uint64_t sent_bytes = 0;  // weights sent to the agent
  std::uint64_t received_bytes = 0;  // update sent back
  std::int64_t samples = 0;
  double loss = 0;
  // The update equals that of the direct task bit by bit. May be false on a GPU, where some kernels
  // add in varying order.
  bool same_bits = false;
  double largest_difference = 0;  // between the values of the two updates
};

struct LoopbackOptions {
  std::string device = "cpu";  // computes: cpu, cuda:N
  std::chrono::seconds patience{300};
  const std::atomic<bool>* interrupted = nullptr;  // polled; when set, the test fails
};

// Keeps its certificates in a temporary folder. Errors on the way do not throw: they are reported
// in LoopbackResult::failure.
LoopbackResult loopback_task(const LoopbackOptions& options);

}  // namespace convoy::hil
