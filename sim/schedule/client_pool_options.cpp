#include "sim/schedule/client_pool_options.hpp"

#include "engine/rules/fedpm.hpp"
#include "engine/rules/registry.hpp"

namespace convoy::sim {
namespace {

// Keys that all have.
void read_sent(base::TableReader& reader, const engine::TransferOptions& transfer,
               ClientPoolOptions& options) {
  options.learning.transfer = engine::read_transfer(
      reader.table(
          {"transfer",
           "knowledge transfer: from the deepest exit to the others, or from each to all"}),
      transfer);
  options.compression = engine::read_compression(reader.table(
      {"compression", "which elements of an update or a model are sent, and in how many bits"}));
}
void read_rule(base::TableReader& reader, const std::string& rule, ClientPoolOptions& options) {
  options.learning.aggregation = engine::read_aggregation(reader, rule);
  options.learning.labels.told = options.learning.aggregation.rule->needs().labels;
}
void read_unfit(base::TableReader& reader, ClientPoolOptions& options) {
  options.skip_unfit = reader.choice(
      {"unfit", "a node whose memory does not hold its task: is left out, or is an error"},
      ClientPoolOptions::unfit_words, options.skip_unfit);
}

}  // namespace

ClientPoolOptions read_client_pool(base::TableReader& reader, std::map<int, double> rates,
                                   const engine::TransferOptions& transfer,
                                   const engine::MaskOptions& mask, const std::string& rule) {
  ClientPoolOptions options;
  if (!rates.empty() || reader.has("rates")) {
    options.rates = read_by_memory_class(
        reader,
        {"rates", "size of a node's submodel as a share of the model; or a value by memory class",
         "the full model"},
        base::above(0).up_to(1), std::move(rates));
  }
  options.learning.mask = engine::read_mask(
      reader.table({"mask", "how a node with a rate below 1 chooses what it keeps"}), mask);
  read_sent(reader, transfer, options);
  read_rule(reader, rule, options);
  read_unfit(reader, options);
  return options;
}

ClientPoolOptions read_client_pool_whole(base::TableReader& reader, const std::string& rule) {
  ClientPoolOptions options;
  read_sent(reader, {.weight = 0}, options);
  read_rule(reader, rule, options);
  read_unfit(reader, options);
  return options;
}

ClientPoolOptions read_client_pool_by_elements(base::TableReader& reader,
                                               engine::ElementKind elements) {
  ClientPoolOptions options;
  read_sent(reader, {.weight = 0}, options);
  options.learning.elements.kind = elements;
  if (elements == engine::ElementKind::pruned) {
    read_rule(reader, "coverage", options);
  } else {
    options.learning.aggregation.rule = engine::mean_of_masks();
  }
  read_unfit(reader, options);
  return options;
}

}  // namespace convoy::sim
