// Fused attention over one sequence, written once for every vector type.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {

constexpr int kKeyBlock = 512;  // keys packed at a time: 64 KB each of k and v at head_dim 32; no S x S buffer
constexpr float kMinusInfinity = -__builtin_inff();

inline constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Places of the parts of AttentionArgs::scratch, in floats.
template <class V, int kRows, int kVectors>
struct AttentionScratch {
  static constexpr int kPanel = kVectors * V::kWidth;
  std::ptrdiff_t keys = 0;     // [key panels][head_dim][kPanel]: k transposed
  std::ptrdiff_t values = 0;   // [head_dim panels][block keys][kPanel]
  std::ptrdiff_t scores = 0;   // [kRows][block keys rounded up to a panel]
  std::ptrdiff_t largest = 0;  // [num_q_heads * length]: largest score so far of each query
  std::ptrdiff_t total = 0;    // [num_q_heads * length]: sum of its exponentials
  std::ptrdiff_t size = 0;

  AttentionScratch(int length, int head_dim, int num_q_heads) {
    const std::ptrdiff_t block = length < kKeyBlock ? round_up(length, kPanel) : round_up(kKeyBlock, kPanel);
    values = keys + block * head_dim;
    scores = values + block * round_up(head_dim, kPanel);
    largest = scores + block * kRows;
    total = largest + round_up(num_q_heads * length, 16);
    size = total + round_up(num_q_heads * length, 16);
  }
};

/// k[count, head_dim] -> [panels][head_dim][kPanel], zeros beyond count.
template <class V, int kVectors>
void pack_keys(const AttentionArgs& args, int first, int count, float* keys) {
  constexpr int kPanel = kVectors * V::kWidth;
  for (int begin = 0; begin < count; begin += kPanel) {
    float* panel = keys + static_cast<std::ptrdiff_t>(begin) * args.head_dim;
    for (int j = 0; j < kPanel; j += V::kWidth) {
      const int left = count - begin - j;
      const float* k = args.k + (first + begin + j) * args.ldk;
      for (int d = 0; d < args.head_dim; d += V::kWidth) {
        const int dims = args.head_dim - d < V::kWidth ? args.head_dim - d : V::kWidth;
        V block[V::kWidth];
        for (int i = 0; i < V::kWidth; ++i) {
          block[i] = i >= left           ? V::zero()
                     : dims == V::kWidth ? V::load(k + i * args.ldk + d)
                                         : V::load_partial(k + i * args.ldk + d, dims, V::zero());
        }
        V::transpose(block);
        for (int i = 0; i < dims; ++i) {
          block[i].store(panel + (d + i) * kPanel + j);
        }
      }
    }
  }
}

/// v[count, head_dim] -> [panels][count][kPanel], zeros beyond head_dim.
template <class V, int kVectors>
void pack_values(const AttentionArgs& args, int first, int count, float* values) {
  constexpr int kPanel = kVectors * V::kWidth;
  for (int begin = 0; begin < args.head_dim; begin += kPanel) {
    float* panel = values + static_cast<std::ptrdiff_t>(begin) * count;
    const int width = args.head_dim - begin < kPanel ? args.head_dim - begin : kPanel;
    for (int s = 0; s < count; ++s) {
      const float* v = args.v + (first + s) * args.ldv + begin;
      float* out = panel + static_cast<std::ptrdiff_t>(s) * kPanel;
      for (int d = 0; d < kPanel; d += V::kWidth) {
        const int left = width - d;
        const V value = left >= V::kWidth ? V::load(v + d)
                        : left > 0        ? V::load_partial(v + d, left, V::zero())
                                          : V::zero();
        value.store(out + d);
      }
    }
  }
}

/// Scores to exponentials, in place: exp(scale (score - largest)). Returns their sum.
template <class V>
float exponentiate(float* scores, int count, float scale, float largest) {
  const V factor = V::set1(scale);
  const V offset = V::set1(-scale * largest);
  V sum = V::zero();
  int s = 0;
  for (; s + V::kWidth <= count; s += V::kWidth) {
    const V p = exp(V::fma(V::load(scores + s), factor, offset));
    p.store(scores + s);
    sum = sum + p;
  }
  if (s < count) {
    const V p = exp(V::fma(V::load_partial(scores + s, count - s, V::zero()), factor, offset)).first(count - s);
    p.store(scores + s);  // rows are whole panels long
    sum = sum + p;
  }
  return sum.sum();
}

template <class V>
float largest_of(const float* x, int count) {
  V best = V::set1(kMinusInfinity);
  int i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    best = V::max(best, V::load(x + i));
  }
  if (i < count) {
    best = V::max(best, V::load_partial(x + i, count - i, best));
  }
  return best.largest();
}

/// kRows queries of one head against one block of keys, with the online softmax in float32:
/// out holds the weighted sum so far and is rescaled when a larger score turns up.
template <class V, int kRows, int kVectors>
void attend_tile(const AttentionArgs& args, const AttentionScratch<V, kRows, kVectors>& at, int head, int query,
                 int rows, int count, bool first_block, bool last_block) {
  constexpr int kPanel = kVectors * V::kWidth;
  const std::ptrdiff_t ld_scores = round_up(count, kPanel);
  float* scores = args.scratch + at.scores;
  float* largest = args.scratch + at.largest + static_cast<std::ptrdiff_t>(head) * args.length + query;
  float* total = args.scratch + at.total + static_cast<std::ptrdiff_t>(head) * args.length + query;
  const float* q = args.q + query * args.ldq + head * args.head_dim;
  float* out = args.out + query * args.ldo + head * args.head_dim;

  GemmArgs product;
  product.a = q;  // float32 values are words
  product.lda = args.ldq;
  product.b = args.scratch + at.keys;
  product.c = scores;
  product.ldc = ld_scores;
  product.rows = rows;
  product.n = static_cast<int>(ld_scores);
  product.k_words = args.head_dim;
  product.panel_end = static_cast<int>(ld_scores) / kPanel;
  gemm<Fp32Product<V>, kRows, kVectors>(product);

  for (int r = 0; r < rows; ++r) {
    float* row = scores + r * ld_scores;
    const float block_largest = largest_of<V>(row, count);
    const float now = first_block || block_largest > largest[r] ? block_largest : largest[r];
    const float sum = exponentiate<V>(row, count, args.scale, now);
    float keep = 0.0F;
    if (!first_block) {
      float change = args.scale * (largest[r] - now);
      exp(V::set1(change)).store_partial(&keep, 1);
      float* o = out + r * args.ldo;
      for (int d = 0; d < args.head_dim; ++d) {
        o[d] *= keep;
      }
    }
    total[r] = first_block ? sum : total[r] * keep + sum;
    largest[r] = now;
  }

  product.a = scores;
  product.lda = ld_scores;
  product.b = args.scratch + at.values;
  product.c = out;
  product.ldc = args.ldo;
  product.n = args.head_dim;
  product.k_words = count;
  product.panel_end = round_up(args.head_dim, kPanel) / kPanel;
  product.residual = first_block ? nullptr : out;
  product.ldr = args.ldo;
  gemm<Fp32Product<V>, kRows, kVectors>(product);

  if (last_block) {
    for (int r = 0; r < rows; ++r) {
      const float inverse = 1.0F / total[r];
      float* o = out + r * args.ldo;
      for (int d = 0; d < args.head_dim; ++d) {
        o[d] *= inverse;
      }
    }
  }
}

template <class V, int kRows, int kVectors>
void attention(const AttentionArgs& args) {
  const AttentionScratch<V, kRows, kVectors> at(args.length, args.head_dim, args.num_q_heads);
  for (int first = 0; first < args.length; first += kKeyBlock) {
    const int count = args.length - first < kKeyBlock ? args.length - first : kKeyBlock;
    pack_keys<V, kVectors>(args, first, count, args.scratch + at.keys);
    pack_values<V, kVectors>(args, first, count, args.scratch + at.values);
    for (int head = 0; head < args.num_q_heads; ++head) {
      for (int query = 0; query < args.length; query += kRows) {
        const int rows = args.length - query < kRows ? args.length - query : kRows;
        attend_tile<V, kRows, kVectors>(args, at, head, query, rows, count, first == 0, first + count == args.length);
      }
    }
  }
}

template <class V, int kRows, int kVectors>
std::size_t attention_scratch_floats(int length, int head_dim, int num_q_heads) {
  return static_cast<std::size_t>(AttentionScratch<V, kRows, kVectors>(length, head_dim, num_q_heads).size);
}

}  // namespace mlxe::cpu::generic
