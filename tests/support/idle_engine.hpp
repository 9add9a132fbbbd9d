#pragma once

// An engine that can do nothing: for tests to derive theirs from, which say what theirs can do.

#include <stdexcept>

#include "engine/api/engine.hpp"

namespace convoy::test {

class IdleEngine : public engine::Engine {
 public:
  void prepare_thread() const override {}
  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    refuse("initial");
  }
  std::unique_ptr<engine::Session> open(const engine::TaskInput&, std::stop_token) const override {
    refuse("open");
  }
  bool needs_received() const override { return false; }
  std::shared_ptr<const engine::Weights> next_version(
      const std::shared_ptr<const engine::Weights>&,
      const std::shared_ptr<const engine::Artifact>&) const override {
    refuse("next_version");
  }
  engine::Evaluation evaluate(const engine::Weights&, double,
                              const std::stop_token&) const override {
    refuse("evaluate");
  }
  void save(const engine::Weights&, const std::filesystem::path&, const Metadata&) const override {
    refuse("save weights");
  }
  void save(const engine::NodeState&, const std::filesystem::path&) const override {
    refuse("save a state");
  }
  void save(const engine::Artifact&, const std::filesystem::path&) const override {
    refuse("save an artifact");
  }
  std::shared_ptr<const engine::Weights> load_weights(const std::filesystem::path&) const override {
    refuse("load_weights");
  }
  std::shared_ptr<const engine::NodeState> load_state(const std::filesystem::path&) const override {
    refuse("load_state");
  }
  std::shared_ptr<const engine::Artifact> load_artifact(
      const std::filesystem::path&) const override {
    refuse("load_artifact");
  }
  engine::Parcel pack(const engine::TaskInput&) const override { refuse("pack an input"); }
  engine::Parcel pack(const engine::Outcome&) const override { refuse("pack an outcome"); }
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    refuse("unpack");
  }
  std::shared_ptr<const engine::Weights> unpack_weights(engine::Unpacking&) const override {
    refuse("unpack_weights");
  }
  engine::Outcome unpack_update(engine::Unpacking&, const engine::TaskInput&) const override {
    refuse("unpack_update");
  }

 private:
  [[noreturn]] static void refuse(const char* what) {
    throw std::logic_error(std::string("the test's engine cannot do that: ") + what);
  }
};

// A parcel of nothing but its header.
struct EmptyBox : engine::Unpacking {
  [[nodiscard]] const std::vector<std::span<std::byte>>& pieces() const override { return none; }
  std::vector<std::span<std::byte>> none;
};

}  // namespace convoy::test
