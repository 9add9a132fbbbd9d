#pragma once

// A thread that packs parcels and checks and saves updates, so that neither the sockets nor the
// simulation wait for that. Internal to hil/bridge.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/api/engine.hpp"
#include "hil/bridge/update_check.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/world/world.hpp"

namespace convoy::hil {

class ParcelWorker {
 public:
  // Posts its callbacks to `io`. Saves updates in `folder`; empty: updates are not saved.
  ParcelWorker(boost::asio::io_context& io, const std::filesystem::path& folder);

  // Must be called first.
  void use(std::shared_ptr<const engine::Engine> engine) { engine_ = std::move(engine); }

  // `trouble` is empty on success.
  using Packed =
      std::function<void(std::shared_ptr<engine::Parcel> parcel, const std::string& trouble)>;
  void pack(const engine::TaskInput& input, Packed then);

  // Gets memory for an offered update, or something else with a limit of its own (bytes);
  // `trouble` if its header does not fit the model or it is too large. Does not wait for packing or
  // filing.
  using Boxed =
      std::function<void(std::shared_ptr<engine::Unpacking> box, const std::string& trouble)>;
  void box(std::string header, std::uint64_t bytes, std::string from, Boxed then,
           std::optional<std::uint64_t> largest = {});

  struct Verdict : CheckedUpdate {
    std::string unsaved;  // why this machine could not save it; empty: it is saved
  };
  using Filed = std::function<void(Verdict verdict)>;
  // Checks an update that is received completely, and saves it before it is used. `samples`: the
  // node's training samples. `last`: the final update of its task; others are not saved.
  void file(std::shared_ptr<engine::Unpacking> box, std::string header,
            const engine::TaskInput& input, std::int64_t samples, bool last, Filed then);

  // Holds a result until the simulation takes it; callable from any thread.
  void keep(sim::TaskId task, engine::Outcome outcome);
  [[nodiscard]] bool has(sim::TaskId task) const;
  engine::Outcome take(sim::TaskId task);  // throws base::UserError if it is missing
  void forget(sim::TaskId task);

  // Finishes the work that has begun. Callbacks are dropped once `io` has stopped.
  void join() {
    boxes_.join();
    thread_.join();
  }

  // Sets the upper limit for the size of an update of this model.
  void limit(const engine::Architecture& architecture, bool with_squares = false);

 private:
  boost::asio::io_context& io_;
  std::optional<sim::UpdateFolder> updates_;
  std::uint64_t largest_ = 0;
  std::shared_ptr<const engine::Engine> engine_;
  mutable std::mutex mutex_;
  std::map<sim::TaskId, engine::Outcome> results_;
  boost::asio::thread_pool boxes_{1};
  boost::asio::thread_pool thread_{1};
};

}  // namespace convoy::hil
