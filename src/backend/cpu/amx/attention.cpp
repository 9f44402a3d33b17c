// Attention with AMX: both products by tiles of bf16, 32 queries at a time.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/amx/gemm.h"
#include "backend/cpu/amx/products.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {
namespace {

using amx::kBlockRows;
using amx::kPanel;
using amx::kTileRows;
using amx::kTileWords;
using Product = amx::Bf16Product;

/// The tiles of a whole attention: its matrices have room for 32 rows, so that none has to be less than 16 high.
struct WholeTiles {
  amx::TileShapes shapes{kTileRows};
};

/// Sums of at most 32 rows and one panel, into c.
void multiply_panel(const GemmArgs& args, const std::int32_t* b, float* c, std::ptrdiff_t ldc) {
  const auto* a = static_cast<const std::int32_t*>(args.a);
  if (args.rows > kTileRows) {
    amx::multiply_block<Product, 2>(args.k_words, a, a + kTileRows * args.lda, args.lda, b, [] {});
    amx::store_block<2>(c, c + kTileRows * ldc, ldc);
  } else {
    amx::multiply_block<Product, 1>(args.k_words, a, nullptr, args.lda, b, [] {});
    amx::store_block<1>(c, nullptr, ldc);
  }
}

void multiply_scores(const GemmArgs& args) {
  const auto* b = static_cast<const std::int32_t*>(args.b);
  for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
    multiply_panel(args, b + static_cast<std::ptrdiff_t>(panel) * args.k_words * kPanel, args.c + panel * kPanel,
                   args.ldc);
  }
}

void multiply_values(const GemmArgs& args) {
  alignas(64) float sums[kBlockRows * kPanel];
  const generic::FinishTile finish = generic::choose_finish<Product, kPanel>(args);
  for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
    multiply_panel(args, static_cast<const std::int32_t*>(args.b) + panel * args.panel_words, sums, kPanel);
    finish(args, sums, args.rows, 0, panel * kPanel);
  }
}

using Products = generic::AttentionProducts<Product, Product, multiply_scores, multiply_values, WholeTiles>;

}  // namespace

constinit const AttentionKernels kAmxAttentionBf16 =
    generic::attention_kernels_of<Products, kBlockRows, kBlockRows, 2>();

}  // namespace mlxe::cpu
