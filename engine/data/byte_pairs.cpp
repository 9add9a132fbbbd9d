#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/diagnostics.hpp"
#include "engine/data/vocabulary.hpp"

namespace convoy::engine {
namespace {

using sentencepiece::util::Status;

// Line ends and other control characters mean nothing to a classifier, and the trainer leaves out
// texts that hold some of them.
std::string clean(std::string_view text) {
  std::string cleaned(text);
  std::replace_if(
      cleaned.begin(), cleaned.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return cleaned;
}

class Texts final : public sentencepiece::SentenceIterator {
 public:
  explicit Texts(const std::vector<std::string_view>& texts) : texts_(&texts) { load(); }

  [[nodiscard]] bool done() const override { return next_ >= texts_->size(); }
  void Next() override {  // NOLINT(readability-identifier-naming): the library's name
    ++next_;
    load();
  }
  [[nodiscard]] const std::string& value() const override { return now_; }
  [[nodiscard]] Status status() const override { return {}; }

 private:
  void load() {
    if (next_ < texts_->size()) now_ = clean((*texts_)[next_]);
  }

  const std::vector<std::string_view>* texts_;
  std::size_t next_ = 0;
  std::string now_;
};

class BytePairs : public Vocabulary {
 public:
  BytePairs(const std::vector<std::string_view>& texts, int size) {
    // One thread: the pieces must not depend on who comes first.
    const std::unordered_map<std::string, std::string> settings = {
        {"model_type", "bpe"},
        {"vocab_size", std::to_string(size - offset)},
        {"hard_vocab_limit", "false"},
        {"num_threads", "1"},
        {"minloglevel", "3"},
        {"max_sentence_length", "1000000000"},
        {"normalization_rule_name", "nmt_nfkc_cf"},
        {"unk_id", "0"},
        {"bos_id", "-1"},
        {"eos_id", "-1"},
        {"pad_id", "-1"},
    };
    Texts iterator(texts);
    std::string model;
    check(sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model), size);
    check(processor_.LoadFromSerializedProto(model), size);
  }

  [[nodiscard]] int size() const override { return processor_.GetPieceSize() + offset; }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    const std::string cleaned = clean(text);
    std::vector<int> pieces;
    const Status status =
        processor_.Encode(absl::string_view(cleaned.data(), cleaned.size()), &pieces);
    if (!status.ok()) throw base::UserError("byte-pair vocabulary: " + status.ToString());
    std::vector<std::int32_t> tokens;
    tokens.reserve(pieces.size());
    for (const int piece : pieces) {
      tokens.push_back(piece == 0 ? token_unknown : piece + offset);
    }
    return tokens;
  }

 private:
  // Its piece 0 is the unknown one; the others follow our special tokens.
  static constexpr int offset = special_tokens - 1;

  static void check(const Status& status, int size) {
    if (status.ok()) return;
    throw base::UserError(
        fmt::format("no byte-pair vocabulary of {} tokens can be made of these texts ({}); give "
                    "more texts or another data.vocabulary.size, or use kind = \"word\"",
                    size, status.error_message()));
  }

  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::unique_ptr<Vocabulary> make_byte_pairs(const std::vector<std::string_view>& texts, int size) {
  return std::make_unique<BytePairs>(texts, size);
}

}  // namespace convoy::engine
