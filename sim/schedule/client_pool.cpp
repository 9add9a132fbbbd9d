#include "sim/schedule/client_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "engine/model/trace.hpp"
#include "sim/schedule/split_update.hpp"

namespace convoy::sim {

namespace {

bool has_batch_norms(const engine::Architecture& a) {
  return engine::trace(a, engine::full_submodel(a)).buffers() > 0;
}

}  // namespace

ClientPool::ClientPool(std::shared_ptr<const Setting> setting, ClientPoolOptions options)
    : setting_(std::move(setting)),
      options_(std::move(options)),
      updates_(setting_, options_.proximal > 0),
      has_norms_(has_batch_norms(*setting_->architecture)) {
  const auto count = static_cast<NodeId>(setting_->nodes.size());
  takes_part_.assign(setting_->nodes.size(), false);
  done_.assign(setting_->nodes.size(), 0);
  if (setting_->fixed && !options_.compression.is_none()) {
    throw base::UserError(
        "schedule.compression: training.fixed_cost gives the bytes of an update and of the model; "
        "give the compressed sizes there");
  }
  check_elements();
  check_norms();
  if (options_.split) check_split();
  bool data = false;
  std::map<std::string, std::string> reasons;  // by device
  // Neighbours that share their setting have the same task, unless that is cut by their names.
  const NodeSetting* before = nullptr;
  bool fits_before = false;
  for (NodeId node = 1; node < count; ++node) {
    const NodeSetting& n = setting_->nodes[node];
    if (n.samples == 0) continue;
    data = true;
    const bool is_alike = &n == before && !options_.split;
    if (!is_alike) fits_before = fits(node);
    before = &n;
    if (!fits_before) {
      std::string& reason = reasons[n.machine->device];
      if (reason.empty()) reason = why_unfit(node);
      if (options_.skip_unfit) continue;
      throw base::UserError(
          fmt::format("node {}: its task {}; lower its batch{}, or set schedule.unfit = \"skip\"",
                      n.name.of(node), reason, options_.split ? "" : " or its rate"));
    }
    takes_part_[node] = true;
    members_.push_back(node);
  }
  if (!members_.empty()) {
    require_server_memory();
    return;
  }
  if (!data) throw base::UserError("no node has any data to train on; raise data.samples");
  std::vector<std::string> all;
  all.reserve(reasons.size());
  for (const auto& [device, reason] : reasons) all.push_back("it " + reason);
  throw base::UserError(fmt::format(
      "no node's memory holds its task: {}; lower training.batch{}, or choose a smaller "
      "model or larger devices",
      fmt::join(all, "; "), options_.split ? "" : " or the rates"));
}

double ClientPool::rate(NodeId node) const {
  if (!options_.rates) return 1;
  return options_.rates->of(setting_->nodes[node].machine->memory_class_gb);
}

// A node that keeps all members needs no masks.
bool ClientPool::has_masks(NodeId node) const {
  const engine::MaskOptions& mask = options_.learning.mask;
  const bool chooses = mask.tasks > 0 || engine::is_window(mask.selection);
  return options_.rates && chooses && rate(node) < 1 && !setting_->fixed;
}

// Only masks chosen on the node's own data cost time; the other selections are free.
bool ClientPool::has_mask_phase(NodeId node) const {
  return has_masks(node) && engine::has_phase(options_.learning.mask.selection);
}

bool ClientPool::masks_next(NodeId node) const {
  if (!has_masks(node)) return false;
  const engine::MaskOptions& mask = options_.learning.mask;
  if (engine::is_window(mask.selection)) return true;
  const int done = done_[node];
  if (done < mask.tasks) return true;
  return mask.refresh > 0 && (done - mask.tasks + 1) % mask.refresh == 0;
}

engine::StepExtras ClientPool::extras(double rate) const {
  const engine::LearningRules& learning = options_.learning;
  return {.scaled = learning.scaled && rate < 1,
          .mutual = learning.transfer.mutual && learning.transfer.weight > 0};
}

engine::Work ClientPool::statistics_next() const {
  const TaskId before = next_aggregation_ - first_aggregation;
  const bool taken =
      options_.learning.static_norms && has_norms_ && before % options_.statistics_every == 0;
  return taken ? engine::Work(options_.statistics) : engine::Work();
}

LocalWork ClientPool::work(NodeId node, bool masks, std::int64_t version,
                           const TaskChanges& changes) const {
  const int epochs = changes.epochs.value_or(setting_->local_epochs);
  LocalWork work;
  work.rate = changes.rate.value_or(rate(node));
  work.extras = extras(work.rate);
  work.full_width = options_.learning.mask.selection == engine::Selection::depth;
  work.all_blocks = options_.learning.mask.all_blocks;
  const engine::MaskOptions& mask = options_.learning.mask;
  const bool learned = mask.selection == engine::Selection::learned;
  work.sampled = mask.sampled && learned && has_mask_phase(node);
  work.compression = options_.compression.update.at(version);
  work.download = options_.compression.download.at(version);
  work.keeps_residual = options_.compression.update.keeps_residual();
  work.mask_epochs = masks ? mask.epochs : 0;
  if (masks && !learned) {
    work.scores_members = true;
    work.mask_steps = mask.steps;
  }
  // Learned masks take half of the time of the weights (Co-S2P's code).
  const bool halves = masks && learned;
  work.weight_epochs = halves ? epochs - epochs / 2 : epochs;
  const std::optional<int> steps = changes.steps    ? changes.steps
                                   : changes.epochs ? std::nullopt
                                                    : setting_->local_steps;
  if (steps) {
    work.weight_steps = halves ? *steps - *steps / 2 : *steps;
  }
  work.elements = options_.learning.elements.kind;
  work.density = density_;
  work.gathers_squares = changes.gather_squares.has_value();
  work.brings_squares = changes.bring_squares;
  work.block = changes.block;
  work.split = changes.split;
  if (!work.split && options_.split) work.split = options_.split(node);
  if (work.split && work.split->own) work.split->has_own = done_[node] > 0;
  return work;
}

std::optional<double> ClientPool::place(NodeId node) const {
  if (options_.learning.mask.selection != engine::Selection::staggered) return std::nullopt;
  const auto before = std::lower_bound(members_.begin(), members_.end(), node) - members_.begin();
  return static_cast<double>(before) / static_cast<double>(members_.size());
}

bool ClientPool::fits(NodeId node) {
  // At no version does a task take more than at the first or the last.
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t version : {std::int64_t{0}, last}) {
    if (has_mask_phase(node) && !updates_.fits(node, work(node, true, version))) return false;
    if (!updates_.fits(node, work(node, false, version, heaviest()))) return false;
  }
  return true;
}

TaskChanges ClientPool::heaviest() const {
  if (options_.learning.elements.kind != engine::ElementKind::pruned) return {};
  return {.gather_squares = 0, .bring_squares = true};
}

void ClientPool::note(const Event& event) {
  is_told_ = true;
  if (event.kind != EventKind::published) return;
  version_ = event.version;
  if (event.task >= first_aggregation) {
    --being_made_;
  } else if (tasks_.contains(event.task)) {
    // A node's own task: its update is a version.
    done(event.task);
    tasks_.erase(event.task);
  }
}

std::vector<std::string> ClientPool::remarks() const {
  std::vector<std::string> all;
  if (options_.rates && options_.learning.mask.selection == engine::Selection::rolling &&
      options_.compression.update.keeps_residual()) {
    all.emplace_back(
        "submodels roll on with each version and updates are compressed with feedback: what an "
        "update did not bring of elements that leave a node's window is lost "
        "(schedule.compression.feedback)");
  }
  return all;
}

bool ClientPool::takes_part(NodeId node) const { return takes_part_[node]; }

Turns ClientPool::turns(HowMany limit) const {
  Turns turns(setting_->seed, setting_->nodes.size(), limit);
  for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
    if (takes_part(node)) {
      turns.rests(node);
    } else {
      turns.lost(node);
    }
  }
  return turns;
}

Assign ClientPool::assign(NodeId node, const TaskChanges& changes) {
  const engine::CompressionPlans& compression = options_.compression;
  if (!is_told_ && (compression.update.changes() || compression.download.changes())) {
    throw base::UserError(
        "schedule.compression.decay: this kind of schedule does not follow versions, so that "
        "nothing would change; leave it out");
  }
  if (changes.split) check_split();
  const bool chooses = changes.rate || masks_next(node);
  const bool masks = chooses && has_mask_phase(node);
  const LocalWork work = this->work(node, masks, version_, changes);
  const auto update = updates_.of(node, work);
  const TaskId id = next_++;
  tasks_[id] = {node, update->upload_bytes, update->encoded_bytes, version_, work};
  Assign assign = {
      .task = id,
      .graph = std::shared_ptr<const TaskGraph>(update, &update->graph),
      .members = {server_node, node},
      .worker = 1,
      .brief = {.rate = work.rate,
                .batch = setting_->nodes[node].batch,
                .choose_masks = chooses,
                .test_locally = setting_->test_locally,
                .compression = work.compression,
                .place = place(node),
                .proximal = options_.proximal > 0 ? std::optional(options_.proximal) : std::nullopt,
                .gather_squares = changes.gather_squares,
                .bring_squares = changes.bring_squares ? std::optional(true) : std::nullopt},
      .when_full = options_.when_full,
      .label = work.split              ? "split"
               : masks                 ? "mask"
               : changes.bring_squares ? "adjust"
                                       : "train",
      .rate = work.rate,
      .samples = update->samples};
  assign.brief.set_download(work.download);
  if (update->own_before > 0) assign.brief.own_before = update->own_before;
  if (update->own_from > 0) assign.brief.own_from = update->own_from;
  if (work.block) assign.brief.set_block(updates_.shares_of(*work.block));
  return assign;
}

Activity ClientPool::sized(TaskId task, const Activity& expected,
                           const engine::Submodel& submodel) const {
  const Task& of = tasks_.at(task);
  if (of.work.elements == engine::ElementKind::pruned) {
    return updates_.sized_by_elements(expected, submodel.elements, of.work.brings_squares);
  }
  return updates_.sized(of.node, expected, submodel, of.work);
}

void ClientPool::done(TaskId task) { ++done_[tasks_.at(task).node]; }

void ClientPool::failed(TaskId task) {
  tasks_.erase(task);
  if (task >= first_aggregation) --being_made_;
}

Assign ClientPool::aggregate(std::vector<TaskId> tasks,
                             const std::optional<engine::Reconfigure>& then) {
  std::sort(tasks.begin(), tasks.end());
  AggregatedUpdates updates;
  std::set<std::int64_t> behind;
  std::set<NodeId> taken;
  // The version to which it is applied is there when those being made are done.
  const std::int64_t added_to = version_ + being_made_++;
  for (const TaskId id : tasks) {
    const Task& task = tasks_.at(id);
    updates.bytes.push_back(task.upload_bytes);
    updates.encoded.push_back(task.encoded_bytes);
    if (task.base != added_to) {
      ++updates.behind;
      behind.insert(task.base);
    }
    taken.insert(task.node);
    tasks_.erase(id);
  }
  updates.versions_behind = behind.size();
  const engine::Rule* rule = options_.learning.aggregation.rule.get();
  std::optional<std::vector<TaskId>> at_work;
  if (rule != nullptr && rule->needs().at_work) {
    at_work = tasks_at_work(std::move(taken));
    for (const TaskId id : *at_work) updates.at_work.push_back(tasks_.at(id).upload_bytes);
  }
  const engine::Work after = then ? engine::Work(*then) : statistics_next();
  const auto graph = updates_.aggregation(updates, rule, after);
  return {.task = next_aggregation_++,
          .graph = graph,
          .members = {server_node},
          .kind = TaskKind::aggregation,
          .consumes = std::move(tasks),
          .at_work = std::move(at_work),
          .publishes = graph->result(),
          .label = "aggregate"};
}

Assign ClientPool::take_shared(const SharedSession& session, TaskId like) {
  const Task of = tasks_.at(like);
  const auto graph = taking_shared_part(*setting_, setting_->nodes[of.node], of.work);
  const TaskId id = next_aggregation_++;
  const double bytes = graph->artifacts()[static_cast<std::size_t>(graph->result())].bytes;
  tasks_[id] = {server_node, bytes, 0, of.base, of.work};
  return {.task = id,
          .graph = graph,
          .members = {server_node},
          .kind = TaskKind::aggregation,
          .shared = session,
          .label = "take"};
}

std::vector<TaskId> ClientPool::tasks_at_work(std::set<NodeId> but) const {
  std::vector<TaskId> open;
  for (const auto& [id, task] : tasks_) open.push_back(id);
  // Of a node with several the latest.
  std::ranges::sort(open, std::greater());
  std::erase_if(open, [&](TaskId id) { return !but.insert(tasks_.at(id).node).second; });
  std::ranges::reverse(open);
  return open;
}

std::vector<PlannedTask> ClientPool::plan(std::size_t most, std::size_t most_behind,
                                          const std::function<TaskChanges(NodeId)>& changes) {
  const bool adjusts = options_.learning.elements.kind == engine::ElementKind::pruned;
  std::vector<PlannedTask> tasks;
  std::vector<std::pair<double, double>> uploads;  // bytes of the update, and on the wire
  for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
    if (setting_->nodes[node].samples == 0) continue;
    const auto add = [&](const std::string& label, const LocalWork& work) {
      const auto update = updates_.of(node, work);
      tasks.push_back({node,
                       label,
                       std::shared_ptr<const TaskGraph>(update, &update->graph),
                       {server_node, node},
                       rate(node),
                       update->memory,
                       update->depth,
                       options_.when_full});
      return std::pair(update->upload_bytes, update->encoded_bytes);
    };
    if (has_mask_phase(node)) add("mask", work(node, true, version_));
    const LocalWork usual = work(node, false, version_, changes ? changes(node) : TaskChanges());
    auto upload = add(usual.split ? "split" : "train", usual);
    if (adjusts) upload = add("adjust", work(node, false, version_, heaviest()));
    if (takes_part(node)) uploads.push_back(upload);
  }
  AggregatedUpdates updates;
  if (uploads.size() > most) {
    std::ranges::sort(uploads, std::greater());
    for (std::size_t i = most; i < uploads.size(); ++i) {
      updates.at_work.push_back(uploads[i].first);
    }
    uploads.resize(most);
  }
  for (const auto& [bytes, encoded] : uploads) {
    updates.bytes.push_back(bytes);
    updates.encoded.push_back(encoded);
  }
  updates.behind = most_behind > 0 ? uploads.size() : 0;
  updates.versions_behind = std::min(most_behind, uploads.size());
  const engine::Work then = adjusts ? engine::Work(engine::Reconfigure()) : statistics_next();
  const auto graph = updates_.aggregation(updates, options_.learning.aggregation.rule.get(), then);
  double memory = 0;
  for (const Activity& a : graph->activities()) memory = std::max(memory, a.memory);
  tasks.push_back({server_node, "aggregate", graph, {server_node}, 1, memory});
  return tasks;
}

}  // namespace convoy::sim
