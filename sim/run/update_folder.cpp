#include "sim/run/update_folder.hpp"

#include <fmt/format.h>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"

namespace convoy::sim {
namespace {

constexpr std::string_view prefix = "task-";
constexpr std::string_view suffix = ".safetensors";
constexpr std::uint64_t longest_header = 64 << 20;

}  // namespace

UpdateFolder::UpdateFolder(const std::filesystem::path& run_folder)
    : folder_(run_folder / "updates") {}

std::filesystem::path UpdateFolder::file(TaskId task) const {
  return folder_ / fmt::format("{}{}{}", prefix, task, suffix);
}

std::filesystem::path UpdateFolder::checksum_file(TaskId task) const {
  return folder_ / fmt::format("{}{}.xxh3", prefix, task);
}

bool UpdateFolder::has(TaskId task) const { return std::filesystem::exists(file(task)); }

void UpdateFolder::write(TaskId task, const std::string& header,
                         const std::vector<std::span<std::byte>>& pieces) const {
  write(task, header, std::vector<std::span<const std::byte>>(pieces.begin(), pieces.end()));
}

void UpdateFolder::write(TaskId task, const std::string& header,
                         const std::vector<std::span<const std::byte>>& pieces) const {
  std::error_code ignored;
  std::filesystem::create_directories(folder_, ignored);
  base::Hash hash;
  hash.add(std::as_bytes(std::span(header)));
  for (const std::span<const std::byte> piece : pieces) hash.add(piece);
  base::write_file(checksum_file(task), hash.text());
  base::WholeFile out(file(task));
  const std::uint64_t length = header.size();
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const std::span<const std::byte> piece : pieces) out.write(piece);
  out.commit();
}

engine::Outcome UpdateFolder::read(const engine::Engine& engine,
                                   const engine::TaskInput& input) const {
  const std::filesystem::path path = file(input.task);
  const auto fail = [&](const char* what) {
    throw base::UserError(fmt::format("{}: {}", path.string(), what));
  };
  if (!std::filesystem::exists(path)) {
    fail("is not there: the update of that task was not kept (hil.keep_updates)");
  }
  base::InputStream in(path);
  const std::uint64_t size = in.size();
  std::uint64_t length = 0;
  in.read(std::as_writable_bytes(std::span(&length, 1)));
  if (length > longest_header || length > size - sizeof length) fail("is damaged");
  std::string header(length, '\0');
  in.read(std::as_writable_bytes(std::span(header)));
  const auto box = engine.unpack(header, size - sizeof length - length, path.string());
  base::Hash hash;
  hash.add(std::as_bytes(std::span(header)));
  for (const std::span<std::byte> piece : box->pieces()) {
    in.read(piece);
    hash.add(piece);
  }
  // Older recordings have no checksum files.
  const std::filesystem::path sum = checksum_file(input.task);
  if (std::filesystem::exists(sum) && base::read_file(sum, base::longest_text) != hash.text()) {
    fail("is damaged: its content is not what its checksum says");
  }
  return engine.unpack_update(*box, input);
}

std::vector<TaskId> UpdateFolder::tasks() const {
  std::vector<TaskId> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const auto task = base::as_integer(
        std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
    if (task) all.push_back(*task);
  }
  return all;
}

void UpdateFolder::remove(TaskId task) const {
  std::error_code ignored;
  std::filesystem::remove(file(task), ignored);
  std::filesystem::remove(checksum_file(task), ignored);
}

void UpdateFolder::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace convoy::sim
