#pragma once

// What the learning has made and nobody has taken yet: updates computed ahead of virtual time,
// updates that wait for their aggregation, the states that nodes keep between their tasks. They
// wait in memory up to a limit, and beyond it in files of a folder that goes with the run.
//
//   HeldResults held(engine, folder / "held", 512 << 20);
//   outcome.result = held.keep(std::move(outcome.result));   // in memory, or in a file
//
// Which of them lie where depends on the host's threads; what is read again has the same bits, so
// results do not depend on it.
//
// An update is added to a version when its aggregation has been ordered, and not before: its share
// depends on the others in it and on the version at that time, some rules compare the updates, and
// a schedule may drop one until then. It is then added when its turn in the schedule's list comes,
// one in memory at a time (engine/learning/aggregation.hpp). So bits are those of that order.

#include <atomic>
#include <filesystem>
#include <memory>

#include "base/non_copyable.hpp"
#include "engine/api/engine.hpp"

namespace convoy::sim {

class HeldResults : base::NonCopyable {
 public:
  // Removes the folder with all that an interrupted run has left there; it is made when the first
  // file is. Empty: there is no run's folder, and everything stays in memory. `limit`: bytes.
  HeldResults(std::shared_ptr<const engine::Engine> engine, std::filesystem::path folder,
              std::uint64_t limit);
  // Removes the folder.
  ~HeldResults();

  // Gives what to hold in its place. What stays in memory counts until the last reference to it is
  // gone. From any thread. Throws base::UserError naming the folder where it cannot be written.
  [[nodiscard]] std::shared_ptr<const engine::Artifact> keep(
      std::shared_ptr<const engine::Artifact> artifact);
  [[nodiscard]] std::shared_ptr<const engine::NodeState> keep(
      std::shared_ptr<const engine::NodeState> state);

  // Bytes in memory: at most so many at once so far. And how many were set aside, and their bytes.
  [[nodiscard]] std::uint64_t most_in_memory() const { return account_->most; }
  [[nodiscard]] std::uint64_t set_aside() const { return files_; }
  [[nodiscard]] std::uint64_t bytes_set_aside() const { return bytes_set_aside_; }

 private:
  struct Account {
    std::uint64_t limit = 0;
    std::atomic<std::uint64_t> used = 0;
    std::atomic<std::uint64_t> most = 0;

    bool take(std::uint64_t bytes);
    void give_back(std::uint64_t bytes) { used -= bytes; }
  };

  template <class Kind>
  std::shared_ptr<const Kind> keep_any(std::shared_ptr<const Kind> object);

  std::shared_ptr<const engine::Engine> engine_;
  std::filesystem::path folder_;
  std::shared_ptr<Account> account_ = std::make_shared<Account>();
  std::atomic<std::uint64_t> files_ = 0;
  std::atomic<std::uint64_t> bytes_set_aside_ = 0;
};

}  // namespace convoy::sim
