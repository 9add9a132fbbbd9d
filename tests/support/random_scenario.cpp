#include "tests/support/random_scenario.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <vector>

#include "base/random.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::test {
namespace {

class Draw {
 public:
  Draw(std::uint64_t number, std::filesystem::path folder)
      : random_({number, 0x5ce0a}), folder_(std::move(folder)), number_(number) {}

  RandomScenario make() {
    learns_ = one_in(8);
    together_ = !learns_ && one_in(6);
    add("name = \"random-{}\"\nseed = {}\n", number_, below(1000));
    shared_links();
    const std::size_t groups = 1 + below(4);
    for (std::size_t g = 0; g < groups; ++g) nodes(g);
    if (together_ && groups == 1) nodes(groups);
    if (one_in(3)) server();
    std::vector<std::string> kinds;
    for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
      if (kind.together == together_) kinds.push_back(kind.name);
    }
    kind_ = one_of(kinds);
    model();
    training();
    schedule();
    stop();
    if (one_in(4)) add("[network]\nmodel = \"lv08\"\n");
    if (one_in(3)) add("[output]\nrecord = \"task\"\n");
    const bool local = one_in(2) && !is_split();
    if (learns_) add("[evaluation]\nevery = {}\nlocal = {}\n", below(3), local);
    const std::string path = (folder_ / fmt::format("{}.toml", number_)).string();
    std::ofstream(path) << text_;
    return {path, learns_};
  }

 private:
  template <class... Values>
  void add(fmt::format_string<Values...> format, Values&&... values) {
    text_ += fmt::format(format, std::forward<Values>(values)...);
  }
  std::size_t below(std::size_t n) { return random_.below(n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  double between(double low, double high) { return low + (high - low) * random_.uniform(); }
  // Uniform in the logarithm: each order of magnitude is equally likely.
  double spread(double low, double high) { return low * std::pow(high / low, random_.uniform()); }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[below(all.size())];
  }

  std::string link() {
    if (one_in(2)) {
      return fmt::format("\"{}\"", one_of<std::string>({"gigabit", "wifi5", "wifi6", "lte"}));
    }
    const bool half = one_in(3);
    half_ = half;
    const double up = spread(1e4, 1e9);
    const double down = half ? up : spread(1e4, 1e9);
    return fmt::format("{{ duplex = \"{}\", up_bps = {:.0f}, down_bps = {:.0f}, latency_s = {} }}",
                       half ? "half" : "full", up, down, one_in(3) ? 0.0 : between(0, 2));
  }

  std::string load() {
    if (one_in(2)) return fmt::format("{{ share = {} }}", between(0, 0.95));
    const double period = spread(0.1, 100);
    return fmt::format("{{ share = {}, period_s = {}, busy_s = {}, offset_s = {} }}",
                       between(0, 0.99), period, period * between(0.1, 0.9), between(0, 50));
  }

  void shared_links() {
    shared_ = below(3);
    for (std::size_t i = 0; i < shared_; ++i) {
      add("[[fleet.shared_links]]\nname = \"ap{}\"\nlink = {}\n", i, link());
      if (one_in(3)) add("traffic = {}\n", load());
    }
  }

  void nodes(std::size_t group) {
    // The first node has memory for any task.
    const std::string device =
        group == 0 ? "jetson-agx-orin-64gb"
                   : one_of<std::string>({"jetson-nano", "jetson-xavier-nx-16gb",
                                          "jetson-agx-orin-64gb", "jetson-orin-nano-8gb"});
    add("[[fleet.nodes]]\nname = \"g{}\"\ndevice = \"{}\"\n", group, device);
    add("count = {}\n", learns_ || together_ ? 1 + below(3) : 1 + below(12));
    half_ = false;
    if (one_in(2)) {
      const std::string drawn = link();
      half_ = half_ || drawn.find("wifi") != std::string::npos;
      add("link = {}\n", drawn);
    }
    if (shared_ > 0 && one_in(2)) add("via = \"ap{}\"\n", below(shared_));
    if (one_in(3)) add("slowdown = {}\n", spread(0.1, 20));
    if (one_in(3)) add("jitter = {}\n", between(0, 1));
    if (one_in(4)) add("load = {}\n", load());
    if (one_in(4)) add("traffic = {}\n", load());
    const double joins = one_in(5) ? spread(0.01, 1000) : 0;
    if (joins > 0) add("joins_at_s = {}\n", joins);
    if (one_in(5)) add("lost_at_s = {}\n", joins + spread(0.01, 1000));
    if (one_in(4))
      add("samples = {}\n", learns_ ? 2 + below(20) : (group == 0 ? 1 : 0) + below(300));
    if (one_in(4)) add("batch = {}\n", 1 + below(40));
    if (one_in(5)) add("concurrent_transfers = {}\n", below(3));
    if (number_ % 5 == 0) add("concurrent_computes = {}\n", (number_ / 5 + group) % 3);
    const std::size_t outages = below(8);
    if (outages < 2) {
      add("random_outages = {{ mean_up_s = {}, mean_down_s = {} }}\n", spread(0.5, 100),
          spread(0.1, 100));
    } else if (outages < 4) {
      add("outages = [ {{ at_s = {}, for_s = {} }} ]\n", spread(0.01, 100), spread(0.01, 100));
    }
    if (one_in(3)) trace(group);
  }

  // Most columns may have their worst value for long, but speed and rates not forever.
  void trace(std::size_t group) {
    std::vector<std::string> columns;
    for (const char* name : {"available", "speed", "latency_s", "power_w", "memory_free_bytes"}) {
      if (one_in(2)) columns.emplace_back(name);
    }
    if (one_in(2)) columns.emplace_back("up_bps");
    if (!half_ && one_in(2)) columns.emplace_back("down_bps");
    if (half_ && one_in(2) && columns.empty()) columns.emplace_back("up_bps");
    if (columns.empty()) columns.emplace_back("available");
    const std::string name = fmt::format("{}-{}.csv", number_, group);
    std::ofstream out(folder_ / name);
    out << "time_s," << fmt::format("{}", fmt::join(columns, ",")) << "\n";
    const std::size_t rows = 1 + below(8);
    double time = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      out << time;
      for (const std::string& column : columns)
        out << "," << value(column, r == 0 || r + 1 == rows);
      out << "\n";
      time += spread(0.01, 500);
    }
    const bool loops = rows > 1 && one_in(2);
    add("trace = {{ file = \"{}\", loop = {}", name, loops);
    if (one_in(3)) add(", start_s = {}", spread(0.01, 100));
    if (loops && one_in(2))
      add(", phase_s = {}, phase_step_s = {}", between(0, 100), between(0, 9));
    add(" }}\n");
  }

  // `moves`: a column for which 0 at all times would stop the node for good; then not 0.
  double value(const std::string& column, bool moves) {
    if (column == "available") return one_in(2) ? 0 : 1;
    if (column == "latency_s") return between(0, 1);
    if (column == "power_w") return between(0, 60);
    if (column == "memory_free_bytes") return one_in(3) ? 0 : spread(1e7, 6e10);
    const double rate = column == "speed" ? spread(0.05, 2) : spread(1e4, 1e9);
    return !moves && one_in(4) ? 0 : rate;
  }

  void server() {
    add("[fleet.server]\nlink = {}\nslowdown = {}\nconcurrent_transfers = {}\n", link(),
        spread(0.5, 5), below(4));
    if (number_ % 3 == 0) add("concurrent_computes = {}\n", servers_computes());
  }

  [[nodiscard]] std::uint64_t servers_computes() const {
    return number_ % 3 == 0 ? number_ / 3 % 4 : 1;
  }

  void model() {
    const std::string architecture =
        learns_ ? one_of<std::string>({"mlp", "cnn-small", "vit-micro", "resnet18-cifar"})
                : one_of<std::string>({"mlp", "cnn-small", "vit-micro", "resnet18-cifar",
                                       "resnet18", "vit-b16", "mobilenet_v2"});
    add("[model]\narchitecture = \"{}\"\n", architecture);
    if (!learns_) return;
    if (architecture == "resnet18-cifar") add("image_size = 8\n");  // batch norm, on small images
    add("[data]\nsource = \"glyphs\"\nsamples = {}\ntest_samples = 20\n", 200 + below(200));
    if (one_in(2)) add("partition = {{ kind = \"shards\", shards = 2 }}\n");
  }

  void training() {
    add("[training]\nlearn = {}\n", learns_);
    const bool fixed = !learns_ && !sends_its_own_way() && one_in(3);
    if (fixed) {
      add("fixed_cost = {{ compute_s = {}, download_bytes = {:.0f}, upload_bytes = {:.0f}, "
          "aggregate_s = {}, memory_bytes = {:.0f} }}\n",
          one_in(4) ? 0 : spread(0.01, 100), one_in(4) ? 0 : spread(1, 1e8),
          one_in(4) ? 0 : spread(1, 1e8), one_in(3) ? 0 : spread(0.001, 5), spread(1, 8e9));
    }
    if (one_in(2)) {
      steps_ = 1 + below(6);
      add("local_steps = {}\n", steps_);
    } else {
      add("local_epochs = {}\n", 1 + below(2));
    }
    add("batch = {}\n", 2 + below(30));
    if (one_in(3)) {
      add("optimizer = {{ kind = \"{}\" }}\n", one_of<std::string>({"sgd", "adamw", "adan"}));
    }
    if (one_in(4) && kind_ != "fedpm" && !is_split() && !together_) add("proximal = 0.1\n");
    fixed_ = fixed;
  }

  void schedule() {
    const std::string& kind = kind_;
    const bool cos2p = kind == "cos2p";
    add("[schedule]\nkind = \"{}\"\n", kind);
    if (together_) {
      pipeline();
      return;
    }
    if (one_in(3) && kind != "fedpm" && kind != "partitioned" && !is_split()) {
      add("aggregation = {{ rule = \"{}\" }}\n",
          one_of<std::string>({"coverage", "in-flight", "holders", "holders-by-label", "drift",
                               "drift-relative", "fedavgm", "fedadam", "fedbuff", "fedasync",
                               "fedcompass", "teasq", "median"}));
    }
    if (cos2p && !fixed_) {
      add("mask = {{ selection = \"{}\", tasks = {}, refresh = {} }}\n",
          one_of<std::string>({"learned", "importance", "random", "magnitude", "nested", "depth",
                               "rolling", "staggered"}),
          below(3), below(3));
    }
    if (!fixed_ && !sends_its_own_way() && one_in(3)) {
      add("compression = {{ keep = {}, which = \"{}\", bits = {}, feedback = {}{}{} }}\n",
          between(0.001, 0.9), one_in(2) ? "largest" : "drawn", one_of<int>({32, 8, 1}), one_in(2),
          one_in(3) ? fmt::format(", decay = {{ every = {}, factor = {} }}", 1 + below(5),
                                  between(0.1, 0.9))
                    : "",
          one_in(3) ? fmt::format(", download = {{ keep = {}, bits = {} }}", between(0.001, 0.9),
                                  one_of<int>({32, 8, 1}))
                    : "");
    }
    add("[schedule.{}]\n", kind);
    if (cos2p) {
      add("quorum = {}\nmax_staleness = {}\non_stale = \"{}\"\n", between(0.01, 1), below(6),
          one_in(2) ? "wait" : "drop");
    } else if (kind == "fedbuff" || kind == "fedasync") {
      if (one_in(2)) add("max_staleness = {}\n", below(8));
      if (kind == "fedbuff") add("buffer = {}\n", 1 + below(8));
    } else if (kind == "fedcompass") {
      add("max_steps = {}\nmin_share = {}\nlambda = {}\n", steps_ > 0 ? steps_ : 1 + below(10),
          between(0.05, 1), between(1, 3));
    } else if (kind == "teasq") {
      add("at_work = {}\ncache = {}\nmu = 0.1\n", between(0.05, 1), between(0.05, 1));
      if (one_in(2)) add("max_staleness = {}\n", below(8));
    } else if (kind == "splitlearning") {
      add("order = \"{}\"\n", one_in(2) ? "fleet" : "random");
    } else {
      if (one_in(2)) add("participants = {}\n", 1 + below(8));
      if (one_in(2)) add("deadline_s = {}\n", spread(0.01, 1000));
      if (kind == "fedprox") add("mu = 0.1\n");
      submodels(kind);
      if (kind == "prunefl") pruning();
      if (kind == "splitfed" && one_in(2)) {
        // v2 has one part of the model at the server, which computes one batch after another.
        const auto drawn = 2 + below(2);
        add("version = \"v{}\"\n", servers_computes() == 1 ? drawn : 3);
      }
      if (kind == "fedpm" && one_in(2)) add("test = \"threshold\"\n");
    }
    if ((cos2p || kind == "fedbuff" || kind == "fedasync") && one_in(2)) {
      add("at_work = {}\n", 1 + below(6));
    }
  }

  void pipeline() {
    add("[schedule.pipeline]\nmicrobatch = {}\nmicrobatches = {}\nrounds = {}\n", 1 + below(8),
        1 + below(6), 1 + below(3));
    if (one_in(3)) add("cut = \"layers\"\n");
    if (one_in(3)) add("recompute = true\n");
    if (one_in(3)) add("search = true\n");
    if (one_in(3)) add("replicate = {}\n", one_in(2));
    if (one_in(3))
      add("replan = {{ change = {}, horizon_rounds = {} }}\n", spread(0.01, 10), below(100));
  }

  void submodels(const std::string& kind) {
    if (kind == "heterofl" || kind == "fedrolex") {
      // With the scaler narrow nodes may diverge, all of them at once: then a run fails.
      if (one_in(3)) add("masked_loss = {}\nscaler = {}\n", one_in(2), !learns_);
    }
    if (kind == "heterofl") {
      if (one_in(2)) add("mode = \"dynamic\"\n");
      if (one_in(3)) add("batch_norm = \"running\"\n");
      if (one_in(3)) add("statistics_every = {}\n", 1 + below(4));
      if (one_in(3)) add("statistics_batch = {}\n", 2 + below(200));
    }
    if (kind == "depthfl" && one_in(3)) add("prediction = \"deepest\"\n");
  }

  void pruning() {
    add("every = {}\nremoval = {}\ngradients = \"{}\"\n", 1 + below(3), between(0.05, 0.9),
        one_in(2) ? "all" : "last");
    if (one_in(2)) add("max_density = {}\n", between(0.05, 1));
    if (one_in(3))
      add("initial = {{ adjustments = {}, steps = {} }}\n", 1 + below(2), 1 + below(5));
  }

  // Kinds that take neither compression nor any fixed costs.
  [[nodiscard]] bool sends_its_own_way() const {
    return kind_ == "prunefl" || kind_ == "fedpm" || kind_ == "partitioned" || is_split() ||
           together_;
  }
  [[nodiscard]] bool is_split() const {
    return kind_ == "splitfed" || kind_ == "splitlearning" || kind_ == "edgesplit";
  }

  void stop() {
    add("[stop]\n");
    if (one_in(2)) {
      add("rounds = {}\n", 1 + below(learns_ ? 3 : 20));
    } else {
      add("tasks = {}\n", 1 + below(learns_ ? 8 : 100));
    }
    if (one_in(2)) add("virtual_time_s = {}\n", spread(0.1, 5000));
  }

  base::Random random_;
  std::filesystem::path folder_;
  std::uint64_t number_;
  std::string text_;
  std::string kind_;  // of schedule
  bool learns_ = false;
  bool together_ = false;  // one of the kinds whose nodes train one model together
  bool fixed_ = false;
  std::size_t steps_ = 0;  // training.local_steps; 0: epochs
  bool half_ = false;
  std::size_t shared_ = 0;
};

}  // namespace

RandomScenario random_scenario(std::uint64_t number, const std::filesystem::path& folder) {
  return Draw(number, folder).make();
}

}  // namespace convoy::test
