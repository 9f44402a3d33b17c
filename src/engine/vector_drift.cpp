// Texts for the comparison, and its arithmetic.
#include "engine/vector_drift.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "mlxe/engine.h"

namespace mlxe {

std::vector<std::string> built_in_texts() {
  return {
      "A cat sleeps on the warm roof.",
      "Two dogs chase a ball across the park.",
      "The central bank raised interest rates by a quarter of a point on Thursday.",
      "How do I reset my password if I no longer have the phone?",
      "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
      "def add(a, b):\n    return a + b",
      "SELECT name, COUNT(*) FROM orders GROUP BY name HAVING COUNT(*) > 3;",
      "The invoice of 14 March 2024 amounts to 1,299.50 EUR and is due within 30 days.",
      "Bread rises because yeast makes gas inside the dough.",
      "why does bread rise",
      "Der Zug nach Hamburg f\u00e4hrt heute von Gleis sieben ab.",
      "La biblioth\u00e8que ferme \u00e0 dix-huit heures le samedi.",
      "El r\u00edo creci\u00f3 mucho despu\u00e9s de las lluvias de abril.",
      "\u041f\u043e\u0435\u0437\u0434 \u043f\u0440\u0438\u0448\u0451\u043b \u0432\u043e\u0432\u0440\u0435\u043c\u044f.",
      "\u4eca\u5929\u7684\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u5427\u3002",
      "\u660e\u65e5\u306e\u4f1a\u8b70\u306f\u5341\u6642\u306b\u59cb\u307e\u308a\u307e\u3059\u3002",
      "Patients with type 2 diabetes were given metformin for twelve weeks; blood sugar fell by a fifth.",
      "The defendant shall pay damages unless the contract was void from the beginning.",
      "great product, broke after two days, would not buy again!!!",
      "Mix flour, butter and sugar, rest the dough for an hour in the cold, then bake it at 180 degrees until it is "
      "golden; let it cool before you cut it.",
      "In 1969 three astronauts travelled to the Moon. Two of them walked on its surface for a little over two hours, "
      "collected stones and dust, set up instruments and a flag, and came back to the ship that the third had kept in "
      "orbit. Four days later they landed in the Pacific Ocean, where an aircraft carrier was waiting for them.",
      "E = mc^2",
      "ok",
      "https://example.org/docs/install?version=2#linux",
  };
}

Embeddings vectors_of(const std::filesystem::path& folder, std::span<const std::string> texts, int threads) {
  LoadOptions options;
  options.task = Task::kEmbed;
  options.device = Device::kCpu;
  options.precision = Precision::kFp32;
  options.threads = threads;
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return Engine::load(folder.string(), options).embed(views);
}

VectorDrift drift_between(const Embeddings& before, const Embeddings& after) {
  VectorDrift drift;
  double sum = 0;
  for (std::size_t i = 0; i < before.count(); ++i) {
    const auto left = before.row(i);
    const auto right = after.row(i);
    double product = 0;
    double left_square = 0;
    double right_square = 0;
    for (std::size_t k = 0; k < left.size(); ++k) {
      const auto a = static_cast<double>(left[k]);
      const auto b = static_cast<double>(right[k]);
      product += a * b;
      left_square += a * a;
      right_square += b * b;
    }
    const double lengths = std::sqrt(left_square * right_square);
    // A text without a vector (static embeddings of unknown words) has not moved if it still has none.
    const double cosine = lengths > 0 ? product / lengths : (left_square == right_square ? 1.0 : 0.0);
    drift.min_cosine = std::min(drift.min_cosine, cosine);
    sum += cosine;
  }
  drift.mean_cosine = before.count() > 0 ? sum / static_cast<double>(before.count()) : 1.0;
  return drift;
}

}  // namespace mlxe
