#pragma once

// Rounds: some or all of the nodes train from the same version; when the last has replied, or at
// the deadline, the updates are aggregated. This is FedAvg, and the base of its variants.

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "base/random.hpp"
#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/turns.hpp"

namespace convoy::sim {

struct RoundsOptions {
  ClientPoolOptions clients;
  HowMany participants;  // of a round
  // s after the round's start; a reply exactly then counts, later ones are cancelled.
  std::optional<double> deadline_s;
};

RoundsOptions read_rounds(base::TableReader& common, base::TableReader& own);
// With clients' options that were read before.
RoundsOptions read_rounds(ClientPoolOptions clients, base::TableReader& own);
// The same keys with the defaults of HeteroFL and similar kinds: rates that halve from one memory
// class to the next and cut only the width, `selection` of the kept members, aggregation `rule`.
RoundsOptions read_rounds_by_width(base::TableReader& common, base::TableReader& own,
                                   engine::Selection selection, const std::string& rule);

// The same keys but those that choose submodels: weights are learned element by element, all nodes
// have all of them. Of aggregation only for pruned ones.
RoundsOptions read_rounds_by_elements(base::TableReader& common, base::TableReader& own,
                                      engine::ElementKind elements);

class Rounds : public FederatedSchedule {
 public:
  Rounds(const std::shared_ptr<const Setting>& setting, RoundsOptions options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<double> usual_updates() const override {
    const std::size_t all = clients_.members().size();
    return static_cast<double>(std::min(all, options_.participants.of(all)));
  }

 protected:
  // Orders the tasks of the nodes drawn for a round (rounds count from 1; nodes in order) by
  // add_task(), at least one. Default: one task per node.
  virtual void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders);
  // (Orders have room for sixteen: a list of tasks of its own would be a large block of memory for
  // each round.)
  void add_task(NodeId node, Orders& orders, const TaskChanges& changes = {});
  [[nodiscard]] std::size_t most_behind() const override { return 0; }
  // The nodes of the next round, rising; none: it begins when a node joins.
  virtual std::vector<NodeId> draw();
  // The server's task at the end of a round with these updates.
  virtual Assign aggregation_of(std::int64_t round, std::vector<TaskId> updates);
  // True if deadline_s holds for the next round.
  [[nodiscard]] virtual bool has_deadline() const { return true; }

  [[nodiscard]] bool is_present(NodeId node) const { return present_[node]; }

 private:
  void note(const Event& event, Orders& orders);
  void start_round(double now, Orders& orders);
  void close_round(Orders& orders);

  RoundsOptions options_;
  // Seeded by the run's seed alone: kinds with the same `participants` draw the same nodes.
  base::Random random_;
  ByNode<bool> present_;
  std::unordered_set<TaskId> in_flight_;
  std::vector<TaskId> updates_;
  std::int64_t round_ = 0;  // number of rounds begun; also the number of the deadline's timer
  bool open_ = false;       // a round is under way
  bool waiting_ = true;     // the next round can begin
};

}  // namespace convoy::sim
