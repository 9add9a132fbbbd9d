#include "engine/api/setup.hpp"

#include <fmt/format.h>

#include <memory>

#include "base/table_reader.hpp"
#include "base/text.hpp"

namespace convoy::engine {
namespace {

using base::Value;

// A table that is being written.
class Writer {
 public:
  Writer& number(const char* key, double value) { return put(key, value); }
  Writer& integer(const char* key, std::int64_t value) { return put(key, value); }
  Writer& integer(const char* key, const std::optional<std::int64_t>& value) {
    return value ? put(key, *value) : *this;
  }
  Writer& integer(const char* key, const std::optional<int>& value) {
    return value ? put(key, std::int64_t{*value}) : *this;
  }
  Writer& flag(const char* key, bool value) { return put(key, value); }
  Writer& text(const char* key, std::string value) { return put(key, std::move(value)); }
  template <class Choice>
  Writer& choice(const char* key, base::Words<Choice> words, Choice value) {
    return put(key, std::string(name_of(words, value)));
  }
  Writer& numbers(const char* key, const std::vector<double>& values) {
    Value::Array array;
    for (const double v : values) array.emplace_back(v, base::Location{});
    return put(key, std::move(array));
  }
  Writer& table(const char* key, const Writer& inner) {
    table_.set(key, inner.table_);
    return *this;
  }

  Value table_;

 private:
  Writer& put(const char* key, Value::Data data) {
    table_.set(key, Value(std::move(data), {}));
    return *this;
  }
};

Writer write(const ModelOptions& m) {
  Writer w;
  w.text("architecture", m.architecture)
      .integer("classes", m.classes)
      .numbers("exits", m.exits)
      .number("dropout", m.dropout)
      .number("attention_dropout", m.attention_dropout)
      .choice("attention_scale", ModelOptions::attention_scales, m.scale_by_width)
      .integer("image_size", m.image_size)
      .integer("image_width", m.image_width)
      .integer("channels", m.channels)
      .integer("sequence", m.sequence)
      .integer("vocabulary", m.vocabulary);
  if (!m.qkv_bias) w.flag("qkv_bias", false);  // a key of those with attention
  if (m.stochastic_depth > 0) w.number("stochastic_depth", m.stochastic_depth);
  return w;
}

std::string kind_of(const std::string& source) { return source.substr(0, source.find(':')); }

Writer write(const DataOptions& d) {
  const std::string kind = kind_of(d.source);
  Writer w;
  w.text("source", kind)
      .integer("samples", d.samples)
      .integer("test_samples", d.test_samples)
      .number("local_test_share", d.local_test_share)
      .integer("seed", static_cast<std::int64_t>(d.seed));
  if (kind == "glyphs") w.integer("classes", d.classes);
  if (kind != "csv") return w;
  w.integer("sequence", d.sequence)
      .table("vocabulary", Writer()
                               .choice("kind", vocabulary_words, d.vocabulary)
                               .integer("size", d.vocabulary_size));
  if (!std::filesystem::is_directory(d.source.substr(d.source.find(':') + 1))) {
    w.number("test_share", d.test_share);
  }
  return w;
}

Writer write(const OptimizerOptions& o) {
  Writer w;
  w.choice("kind", optimizer_kind_words, o.kind)
      .number("learning_rate", o.learning_rate)
      .number("weight_decay", o.weight_decay);
  if (o.kind == OptimizerKind::sgd) {
    w.number("momentum", o.momentum).flag("nesterov", o.nesterov);
  } else {
    w.numbers("betas", o.betas).number("epsilon", o.epsilon);
  }
  return w;
}

Writer write(const RateSchedule& r) {
  using Kind = RateSchedule::Kind;
  Writer w;
  w.choice("kind", RateSchedule::words, r.kind).integer("warmup", r.warmup);
  if (r.kind == Kind::step) w.integer("every", r.every);
  if (r.kind == Kind::step || r.kind == Kind::exponential) w.number("factor", r.factor);
  if (r.kind == Kind::cosine) w.integer("over", r.over).number("floor", r.floor);
  return w;
}

Writer write(const TrainingOptions& t) {
  Writer w;
  w.table("optimizer", write(t.optimizer))
      .table("rate_schedule", write(t.rate_schedule))
      .choice("optimizer_state", TrainingOptions::optimizer_states, t.keep_optimizer)
      .number("proximal", t.proximal)
      .number("clip", t.clip);
  return w;
}

Writer write(const MaskOptions& m) {
  Writer w;
  w.choice("selection", selection_words, m.selection)
      .integer("epochs", m.steps ? std::nullopt : std::optional(m.epochs))
      .integer("steps", m.steps)
      .number("hysteresis", m.hysteresis)
      .integer("tasks", m.tasks)
      .integer("refresh", m.refresh)
      .number("learning_rate", m.learning_rate)
      .number("lambda", m.lambda)
      .number("weight_decay", m.weight_decay)
      .choice("draw", MaskOptions::draws, m.sampled)
      .choice("logits", MaskOptions::logits, m.normal_logits)
      .choice("blocks", MaskOptions::block_words, m.all_blocks);
  return w;
}

Writer write(const TransferOptions& t) {
  Writer w;
  w.number("weight", t.weight)
      .number("temperature", t.temperature)
      .integer("from_version", t.from_version)
      .choice("mean", TransferOptions::means, t.by_batch)
      .flag("detach_teacher", t.detached);
  // Agents of before know neither, and need them for no other run.
  if (t.mutual) w.choice("teachers", TransferOptions::teacher_words, t.mutual);
  if (t.ramp > 0) w.integer("ramp", t.ramp);
  return w;
}

Writer write(const ElementOptions& e) {
  Writer w;
  w.choice("kind", element_words, e.kind)
      .number("learning_rate", e.learning_rate)
      .flag("threshold", e.threshold);
  return w;
}

// What a node does beside masks and transfer; agents of before know none of it.
std::optional<Writer> write(const LearningRules& rules) {
  const LabelOptions& labels = rules.labels;
  if (!(labels.masked || labels.told || rules.scaled || rules.static_norms || rules.ensemble)) {
    return std::nullopt;
  }
  Writer w;
  w.flag("masked_loss", labels.masked)
      .flag("tell_labels", labels.told)
      .flag("scaler", rules.scaled)
      .flag("static_norms", rules.static_norms)
      .flag("ensemble", rules.ensemble);
  return w;
}

void read(base::TableReader reader, LearningRules& rules) {
  rules.labels.masked = reader.flag("masked_loss", false);
  rules.labels.told = reader.flag("tell_labels", false);
  rules.scaled = reader.flag("scaler", false);
  rules.static_norms = reader.flag("static_norms", false);
  rules.ensemble = reader.flag("ensemble", false);
  reader.finish();
}

}  // namespace

base::Value to_table(const ModelOptions& model) { return write(model).table_; }

std::string to_toml(const EngineSetup& setup) {
  Writer w;
  w.integer("seed", static_cast<std::int64_t>(setup.seed))
      .integer("evaluation_batch", setup.evaluation_batch)
      .table("model", write(setup.model))
      .table("data", write(setup.data))
      .table("training", write(setup.training))
      .table("mask", write(setup.rules.mask))
      .table("transfer", write(setup.rules.transfer));
  // Agents that know nothing of it can do all the rest.
  if (setup.rules.elements.kind != ElementKind::all) {
    w.table("elements", write(setup.rules.elements));
  }
  if (const auto learning = write(setup.rules)) w.table("learning", *learning);
  return base::to_toml(w.table_);
}

EngineSetup read_setup(const std::string& text, const std::string& source, bool own,
                       const std::string& from) {
  base::Diagnostics problems;
  Value root = base::parse_toml(text, from, problems);
  if (problems.has_errors()) throw base::UserError(problems.str());
  if (Value* data = root.find("data")) {
    const Value* named = data->find("source");
    const auto* kind = named != nullptr ? named->as<std::string>() : nullptr;
    const bool known = kind != nullptr && *kind != "glyphs";
    if (known && source.empty()) {
      throw base::UserError(fmt::format(
          "the run trains on \"{}\", and this machine has not been told where that is; give it "
          "data = \"{}:FOLDER\"",
          base::printable(*kind), base::printable(*kind)));
    }
    if (known && !own && kind_of(source) != *kind) {
      throw base::UserError(
          fmt::format("the run trains on \"{}\", and this machine's data are \"{}\"",
                      base::printable(*kind), source));
    }
    if (own) *data = Value();  // checks of the run's data do not apply to own data
    if (known || own) data->set("source", Value(source, {}));
  }
  base::TableReader reader(root, "", problems);
  EngineSetup setup;
  setup.seed = static_cast<std::uint64_t>(reader.integer("seed", base::at_least(0), 1));
  setup.evaluation_batch = static_cast<int>(
      reader.integer("evaluation_batch", base::at_least(1).up_to(1e6), setup.evaluation_batch));
  base::TableReader model = reader.table("model");
  setup.model = read_model(model);
  setup.data = read_data(reader.table("data"), "");
  base::TableReader training = reader.table("training");
  setup.training = read_training(training);
  training.finish();
  setup.rules.mask = read_mask(reader.table("mask"));
  setup.rules.transfer = read_transfer(reader.table("transfer"), {});
  setup.rules.elements = read_elements(reader.table("elements"));
  read(reader.table("learning"), setup.rules);
  reader.finish();
  if (problems.has_errors()) throw base::UserError(problems.str());
  return setup;
}

EngineOptions options_of(const EngineSetup& setup, const DataSource& source,
                         const std::string& device) {
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(setup.model));
  options.training = setup.training;
  options.rules = setup.rules;
  options.seed = setup.seed;
  options.device = device;
  options.evaluation_batch = setup.evaluation_batch;
  options.train = std::make_shared<const Dataset>(source.train());
  return options;
}

std::string data_signature(const DataSource& source) {
  const DataShape& s = source.shape();
  std::string text =
      fmt::format("{} {} {} {} {} {} {} {} {}\n", s.text, s.channels, s.height, s.width, s.sequence,
                  s.vocabulary, s.classes, source.labels().size(), source.test_size());
  for (const int label : source.labels()) text += fmt::format("{} ", label);
  return base::content_hash(text);
}

}  // namespace convoy::engine
