#pragma once

// The folder of a sweep:
//
//   sweep.json           the keys and, for each point, their values and its hash
//   results.csv          a row for each point that is finished
//   points/HASH/         summary.json once it is finished, failure.txt where it failed, log.txt,
//                        run.sqlite

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace convoy::sim {

struct PointIndex {
  std::vector<std::string> settings;  // a value for each key
  std::string hash;                   // hash of all that determines the point's result
};

struct SweepIndex {
  std::string scenario;  // name
  std::string file;
  std::string version;  // Convoy's version
  std::vector<std::string> keys;
  std::vector<PointIndex> points;
};

// The figures of a point's summary (`convoy run --json`) in results.csv; without the wall time,
// which differs between equal runs.
inline constexpr std::array result_columns = {"schedule",
                                              "seed",
                                              "rounds",
                                              "virtual_time_s",
                                              "tasks",
                                              "tasks_aggregated",
                                              "tasks_failed",
                                              "samples",
                                              "utilization",
                                              "bytes_down",
                                              "bytes_up",
                                              "energy_j",
                                              "energy_server_j",
                                              "accuracy",
                                              "accuracy_best",
                                              "target_accuracy",
                                              "time_to_accuracy_s",
                                              "bytes_to_accuracy",
                                              "energy_to_accuracy_j",
                                              "coverage_min",
                                              "untrained",
                                              "learned_as"};

class SweepFolder {
 public:
  // `with_stores`: a point is finished only if its store exists, too.
  explicit SweepFolder(std::filesystem::path folder, bool with_stores = false)
      : folder_(std::move(folder)), with_stores_(with_stores) {}

  // True if the folder holds a sweep.
  [[nodiscard]] bool exists() const;
  // Throws base::UserError if there is no index or it cannot be read.
  [[nodiscard]] SweepIndex index() const;
  void write_index(const SweepIndex& index) const;

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }
  [[nodiscard]] std::filesystem::path of(const std::string& hash) const {
    return folder_ / "points" / hash;
  }

  // The figures of a finished point; nothing if it is not finished, or the file is damaged or
  // foreign.
  [[nodiscard]] std::optional<nlohmann::ordered_json> summary(const std::string& hash) const;
  // Why a point failed; "" if it did not.
  [[nodiscard]] std::string failure(const std::string& hash) const;
  // Writes the reason of a failure; false if writing fails.
  bool note_failure(const std::string& hash, const std::string& cause) const;

 private:
  std::filesystem::path folder_;
  bool with_stores_;
};

}  // namespace convoy::sim
