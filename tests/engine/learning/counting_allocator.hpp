#pragma once

// Counts the bytes of all tensors on the host: an allocator in front of LibTorch's own.

#include <c10/core/Allocator.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace convoy::engine::test {

class CountingAllocator : public c10::Allocator {
 public:
  // Replaces LibTorch's allocator for the rest of the program; existing tensors are not counted.
  static CountingAllocator& installed() {
    static auto* allocator = [] {
      auto* mine = new CountingAllocator(c10::GetAllocator(c10::kCPU));  // NOLINT(*-owning-memory)
      c10::SetAllocator(c10::kCPU, mine, priority);
      return mine;
    }();
    return *allocator;
  }

// LibTorch 2 (2.6 was tried).
#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(std::size_t bytes) override { return counted(bytes); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
#else
  c10::DataPtr allocate(std::size_t bytes) const override { return counted(bytes); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  c10::DataPtr counted(std::size_t bytes) const {
    void* memory = bytes == 0 ? nullptr : behind_->raw_allocate(bytes);
    if (filling_ && memory != nullptr) std::memset(memory, *filling_, bytes);
    count(memory, static_cast<std::int64_t>(bytes));
    return {memory, memory, &give_back, c10::Device(c10::kCPU)};
  }

  [[nodiscard]] std::int64_t live() const {
    const std::lock_guard lock(mutex_);
    return live_;
  }
  [[nodiscard]] std::int64_t peak() const {
    const std::lock_guard lock(mutex_);
    return peak_;
  }
  // Fills memory allocated from now on with this byte; nothing: leaves it as it is.
  void fill_with(std::optional<int> byte) { filling_ = byte; }
  // Sets the peak to the bytes in use now, and gives these.
  std::int64_t restart_peak() {
    const std::lock_guard lock(mutex_);
    return peak_ = live_;
  }

 private:
  static constexpr std::uint8_t priority = 100;  // above the priority of LibTorch's own, 0

  explicit CountingAllocator(c10::Allocator* behind) : behind_(behind) {}

  static void give_back(void* memory) {
    CountingAllocator& self = installed();
    self.forget(memory);
    if (memory != nullptr) self.behind_->raw_deallocate(memory);
  }

  void count(void* memory, std::int64_t bytes) const {
    if (memory == nullptr) return;
    const std::lock_guard lock(mutex_);
    sizes_[memory] = bytes;
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  void forget(void* memory) const {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(memory);
    if (found == sizes_.end()) return;
    live_ -= found->second;
    sizes_.erase(found);
  }

  c10::Allocator* behind_;
  std::optional<int> filling_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<void*, std::int64_t> sizes_;
  mutable std::int64_t live_ = 0;
  mutable std::int64_t peak_ = 0;
};

}  // namespace convoy::engine::test
