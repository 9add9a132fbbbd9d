#include "engine/api/profile.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "engine/api/library.hpp"

namespace convoy::engine {
namespace {

ProfileCase of(const std::string& architecture, int batch, OptimizerKind kind, double momentum = 0,
               double rate = 1) {
  ProfileCase c;
  c.rate = rate;
  c.model.architecture = architecture;
  c.optimizer.kind = kind;
  c.optimizer.momentum = momentum;
  c.optimizer.learning_rate = 1e-4;  // the result does not matter; the loss must not diverge
  if (kind == OptimizerKind::adamw) c.optimizer.betas = {0.9, 0.999};
  if (kind == OptimizerKind::adan) c.optimizer.betas = {0.98, 0.92, 0.99};
  c.batch = batch;
  return c;
}

}  // namespace

std::vector<ProfileCase> profile_cases(bool quick) {
  using enum OptimizerKind;
  if (quick) {
    return {of("mlp", 8, sgd, 0.9), of("mlp", 32, adamw), of("cnn-small", 4, sgd, 0.9),
            of("vit-micro", 2, adamw)};
  }
  // A small vocabulary and short texts: the layers' weights dominate the work.
  ProfileCase texts = of("bert-small", 2, adamw);
  texts.model.sequence = 16;
  texts.model.vocabulary = 2000;
  ProfileCase longer = of("bert-small", 4, sgd, 0.9, 0.5);
  longer.model.sequence = 32;
  ProfileCase photos = of("resnet18", 4, sgd, 0.9);
  photos.model.image_size = 64;
  ProfileCase half_photos = of("resnet18", 8, sgd, 0.9, 0.5);
  half_photos.model.image_size = 64;
  return {
      of("mlp", 8, sgd, 0.9),
      of("mlp", 32, adamw),
      of("mlp", 32, adan),
      of("cnn-small", 2, sgd),
      of("cnn-small", 8, sgd, 0.9),
      of("cnn-small", 8, sgd, 0.9, 0.5),
      of("cnn-small", 16, sgd, 0.9),
      of("cnn-small", 16, adamw),
      of("cnn-small", 32, sgd, 0.9),
      of("resnet18-cifar", 2, sgd, 0.9),
      of("resnet18-cifar", 8, sgd, 0.9),
      of("vit-micro", 2, sgd, 0.9),
      of("vit-micro", 8, adamw),
      of("vit-micro", 32, adan),
      of("vit-tiny", 4, sgd, 0.9, 0.5),
      of("vit-tiny", 8, adamw),
      photos,
      half_photos,
      texts,
      longer,
  };
}

namespace {

constexpr const char* needed_by = "measuring a device";

// Value of a line "NAME: VALUE ..." in a kernel file; empty if missing.
std::string value_in(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t at = line.find_first_not_of(": \t", name.size());
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

double memory_of_system(const std::string& name) {
  constexpr double kib = 1024;
  double value = 0;
  std::istringstream(value_in("/proc/meminfo", name)) >> value;
  return kib * value;
}

// Memory limit of the container in bytes; infinite without a limit.
double memory_limit() {
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream in(file);
    if (double limit = 0; in >> limit && limit > 0) return limit;
  }
  return std::numeric_limits<double>::infinity();
}

double resident() {
  double pages = 0;
  std::ifstream in("/proc/self/statm");
  in >> pages >> pages;  // the second number
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::string processor() {
  std::string board;  // "NVIDIA Jetson Nano Developer Kit"
  std::getline(std::ifstream("/proc/device-tree/model"), board, '\0');
  if (!board.empty()) return board;
  std::string model = value_in("/proc/cpuinfo", "model name");
  if (!model.empty()) return model;
  utsname system{};
  ::uname(&system);
  return std::string(system.machine);
}

}  // namespace

Profile measure(const ProfileOptions& options) {
  // Both use the same device and threads; the first runs every operator once.
  using WarmUp = void(const ProfileOptions&);
  using Measure = void(const ProfileOptions&, Profile&);
  Profile profile;
  profile.processor = processor();
  const double all = memory_of_system("MemTotal");
  const double limit = memory_limit();
  profile.capacity = std::min(all, limit);
  profile.capacity_note = limit < all ? "the limit of the container" : "MemTotal of the system";
  profile.available = std::min(memory_of_system("MemAvailable"), limit);
  const double before = resident();
  auto* const warm_up =
      reinterpret_cast<WarmUp*>(library_function("convoy_profile_warm_up", needed_by, ""));
  auto* const run = reinterpret_cast<Measure*>(library_function("convoy_profile", needed_by, ""));
  warm_up(options);
  profile.context = std::max(0.0, resident() - before);
  run(options, profile);
  return profile;
}

}  // namespace convoy::engine
