#include "sim/run/update_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <fstream>

namespace convoy::sim {
namespace {

constexpr std::string_view prefix = "task-";
constexpr std::string_view suffix = ".safetensors";
constexpr std::uint64_t longest_header = 64 << 20;

// To the disk, not only to the system's memory.
void flush_to_disk(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

}  // namespace

UpdateFolder::UpdateFolder(const std::filesystem::path& run_folder)
    : folder_(run_folder / "updates") {}

std::filesystem::path UpdateFolder::file(TaskId task) const {
  return folder_ / fmt::format("{}{}{}", prefix, task, suffix);
}

bool UpdateFolder::has(TaskId task) const { return std::filesystem::exists(file(task)); }

void UpdateFolder::write(TaskId task, const std::string& header,
                         const std::vector<std::span<std::byte>>& pieces) const {
  std::error_code ignored;
  std::filesystem::create_directories(folder_, ignored);
  const std::filesystem::path path = file(task);
  const std::filesystem::path beside = path.string() + ".new";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    const std::uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const std::span<std::byte> piece : pieces) {
      out.write(reinterpret_cast<const char*>(piece.data()),
                static_cast<std::streamsize>(piece.size()));
    }
    out.flush();
    if (!out) {
      throw base::UserError(fmt::format("{}: cannot be written; is the disk full?", path.string()));
    }
  }
  flush_to_disk(beside);
  std::filesystem::rename(beside, path);
  flush_to_disk(folder_);
}

engine::Outcome UpdateFolder::read(const engine::Engine& engine,
                                   const engine::TaskInput& input) const {
  const std::filesystem::path path = file(input.task);
  std::ifstream in(path, std::ios::binary);
  const auto fail = [&](const char* what) {
    throw base::UserError(fmt::format("{}: {}", path.string(), what));
  };
  if (!in) fail("is not there: the update of that task was not kept (hil.keep_updates)");
  const std::uint64_t size = std::filesystem::file_size(path);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  if (!in || length > longest_header || length > size - sizeof length) fail("is damaged");
  std::string header(length, '\0');
  in.read(header.data(), static_cast<std::streamsize>(length));
  const auto box = engine.unpack(header, size - sizeof length - length, path.string());
  for (const std::span<std::byte> piece : box->pieces()) {
    in.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
  }
  if (!in) fail("is truncated");
  return engine.unpack_update(*box, input);
}

std::vector<TaskId> UpdateFolder::tasks() const {
  std::vector<TaskId> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    TaskId task = no_task;
    const char* end = name.data() + name.size() - suffix.size();
    const auto [stop, failure] = std::from_chars(name.data() + prefix.size(), end, task);
    if (failure == std::errc() && stop == end) all.push_back(task);
  }
  return all;
}

void UpdateFolder::remove(TaskId task) const {
  std::error_code ignored;
  std::filesystem::remove(file(task), ignored);
}

void UpdateFolder::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace convoy::sim
