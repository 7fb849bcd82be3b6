/* A device's peak: the limits to which `rangefinder bench` compares each kernel.
 * fma_peak  every work-item keeps ITEMS independent vectors in registers and multiplies and adds `rounds` times.
 * stream    b[i] = a[i] * s: one read and one write; each work-item owns a contiguous run (span) or strides (GPUs). */
#ifndef VEC
#define VEC 8
#endif
#if VEC == 16
typedef float16 vec;
#elif VEC == 8
typedef float8 vec;
#else
typedef float4 vec;
#endif

__kernel void fma_peak(__global float *out, float a, float b, int rounds) {
    vec x0 = (vec)(a), x1 = x0 + 1.0f, x2 = x0 + 2.0f, x3 = x0 + 3.0f, x4 = x0 + 4.0f, x5 = x0 + 5.0f;
    vec x6 = x0 + 6.0f, x7 = x0 + 7.0f, x8 = x0 + 8.0f, x9 = x0 + 9.0f, m = (vec)(b), n = (vec)(a);
    for (int i = 0; i < rounds; i++) {
        x0 = fma(x0, m, n), x1 = fma(x1, m, n), x2 = fma(x2, m, n), x3 = fma(x3, m, n), x4 = fma(x4, m, n);
        x5 = fma(x5, m, n), x6 = fma(x6, m, n), x7 = fma(x7, m, n), x8 = fma(x8, m, n), x9 = fma(x9, m, n);
    }
    vec x = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9;
    out[get_global_id(0)] = x.s0 + x.s1 + x.s2 + x.s3;
}

__kernel void stream(__global const float4 *a, __global float4 *b, float s, int count, int span) {
    if (span > 0) {
        int first = get_global_id(0) * span, last = min(first + span, count);
        for (int i = first; i < last; i++) b[i] = a[i] * s;
    } else {
        for (int i = get_global_id(0); i < count; i += get_global_size(0)) b[i] = a[i] * s;
    }
}
