#pragma once

// Where parcels are packed and updates are checked and written down, in a thread of its own, so
// that neither the sockets nor the simulation wait for it. Internal to hil/bridge.

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
#include "sim/run/update_folder.hpp"
#include "sim/world/world.hpp"

namespace convoy::hil {

class ParcelWorker {
 public:
  // What is done is told through `io`. Updates are kept in `folder`; empty: they are not.
  ParcelWorker(boost::asio::io_context& io, const std::filesystem::path& folder);

  // Before anything else.
  void use(std::shared_ptr<const engine::Engine> engine) { engine_ = std::move(engine); }

  // `trouble` is empty where it went well.
  using Packed =
      std::function<void(std::shared_ptr<engine::Parcel> parcel, const std::string& trouble)>;
  void pack(const engine::TaskInput& input, Packed then);

  // Memory for an update that is offered; `trouble` where its header is none of this model's, or it
  // is larger than any of its updates. Does not wait for what is packed and filed.
  using Boxed =
      std::function<void(std::shared_ptr<engine::Unpacking> box, const std::string& trouble)>;
  void box(std::string header, std::uint64_t bytes, std::string from, Boxed then);

  struct Verdict {
    std::string trouble;  // with the node's update; empty: it is whole,
    std::string unsaved;  // and safe on the disk, or why this machine could not write it down
    sim::Cause cause = sim::Cause::refused;
    engine::Outcome outcome;
  };
  using Filed = std::function<void(Verdict verdict)>;
  // An update whose bytes have all come is checked and written down before anybody relies on it.
  // `samples`: that its node trains on. `last`: no other of its task follows; else it is not
  // written down.
  void file(std::shared_ptr<engine::Unpacking> box, std::string header,
            const engine::TaskInput& input, std::int64_t samples, bool last, Filed then);
  // It was filed, by this process or the one before it.
  [[nodiscard]] bool has_filed(sim::TaskId task) const;

  // Results that wait for the simulation to ask; from any thread.
  void keep(sim::TaskId task, engine::Outcome outcome);
  [[nodiscard]] bool has(sim::TaskId task) const;
  engine::Outcome take(sim::TaskId task);  // throws base::UserError where there is none
  void forget(sim::TaskId task);

  // Ends what is begun. Nothing is told any more once `io` has stopped.
  void join() {
    boxes_.join();
    thread_.join();
  }

  // Bytes that no update of such a model exceeds.
  void limit(const engine::Architecture& architecture);

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
