/* Coefficients of math.h. Each polynomial interpolates its function at the Chebyshev nodes of the interval, solved with 70 digits and
 * rounded to the type: within a few percent of the minimax error. Lowest power first. */
#ifndef TW_KERNELS_MATH_COEFFICIENTS_H
#define TW_KERNELS_MATH_COEFFICIENTS_H
/* (e^r - 1 - r) / r^2: exp_f32: degree 4 on [-0.34692, 0.34692], relative error 1.32e-7 */
#define C_exp_f32(X) \
    X(0x1.0000000000000p-1f), X(0x1.5554dc0000000p-3f), X(0x1.5555180000000p-5f), X(0x1.120be20000000p-7f), \
    X(0x1.6d117c0000000p-10f)
/* (e^r - 1 - r) / r^2: exp_f64: degree 10 on [-0.34692, 0.34692], relative error 2.97e-18 */
#define C_exp_f64(X) \
    X(0x1.0000000000000p-1), X(0x1.5555555555557p-3), X(0x1.5555555555556p-5), X(0x1.11111111100bep-7), \
    X(0x1.6c16c16c162c3p-10), X(0x1.a01a01abf85abp-13), X(0x1.a01a01a6e1e2ap-16), X(0x1.71de01fdbf9cap-19), \
    X(0x1.27e4db46cddd1p-22), X(0x1.af4e554377204p-26), X(0x1.1f7340dbc337ep-29)
/* (2 atanh(s) - 2 s) / s^3 by z = s^2: log_f64: degree 7 on [0.0, 0.029496], relative error 3.1e-18 */
#define C_log_f64(X) \
    X(0x1.5555555555555p-1), X(0x1.9999999999a3ap-2), X(0x1.2492492476765p-2), X(0x1.c71c7201f1f41p-3), \
    X(0x1.745cf8c4cfebep-3), X(0x1.3b1c42e222badp-3), X(0x1.0fbd2bde02b13p-3), X(0x1.0c1261fd9bdd6p-3)
/* (2 atanh(s) - 2 s) / s^3 by z = s^2: log_f32: degree 3 on [0.0, 0.029496], relative error 1.71e-9 */
#define C_log_f32(X) \
    X(0x1.5555560000000p-1f), X(0x1.9999ec0000000p-2f), X(0x1.245c0a0000000p-2f), X(0x1.dddade0000000p-3f)
/* (tanh(x) / x - 1) / z, z = x^2: tanh_f32: degree 5 on [0.0, 0.4], relative error 5.52e-9 */
#define C_tanh_f32(X) \
    X(-0x1.5555560000000p-2f), X(0x1.1110e40000000p-3f), X(-0x1.ba07180000000p-5f), X(0x1.648e8e0000000p-6f), \
    X(-0x1.10bbf40000000p-7f), X(0x1.2977d80000000p-9f)
/* (tanh(x) / x - 1) / z, z = x^2: tanh_f64: degree 13 on [0.0, 0.4], relative error 2.18e-20 */
#define C_tanh_f64(X) \
    X(-0x1.5555555555555p-2), X(0x1.1111111111111p-3), X(-0x1.ba1ba1ba1b975p-5), X(0x1.664f4882bbd25p-6), \
    X(-0x1.226e355d0c2c2p-7), X(0x1.d6d3d07273a46p-9), X(-0x1.7da358f97b0e4p-10), X(0x1.355759f0a7002p-11), \
    X(-0x1.f569ad757483cp-13), X(0x1.95ce67221ff7ep-14), X(-0x1.4528d1e098a06p-15), X(0x1.efc120ffe7a3ep-17), \
    X(-0x1.3c965973cee4fp-18), X(0x1.e0d336c05bd2dp-21)
/* (sin(x) / x - 1) / z: sin_f64: degree 6 on [0.0, 0.6187], relative error 7.29e-20 */
#define C_sin_f64(X) \
    X(-0x1.5555555555555p-3), X(0x1.1111111111110p-7), X(-0x1.a01a01a01991dp-13), X(0x1.71de3a545d5c5p-19), \
    X(-0x1.ae64540d2e0cbp-26), X(0x1.61217a9ed8d59p-33), X(-0x1.ab1539577716ap-41)
/* (cos(x) - 1 + z / 2) / z^2: cos_f64: degree 6 on [0.0, 0.6187], relative error 1.61e-20 */
#define C_cos_f64(X) \
    X(0x1.5555555555555p-5), X(-0x1.6c16c16c16c16p-10), X(0x1.a01a01a019cffp-16), X(-0x1.27e4fb7711674p-22), \
    X(0x1.1eed8de91b087p-29), X(-0x1.9394b61d44674p-37), X(0x1.ab7609f1fdf4fp-45)
/* (sin(x) / x - 1) / z: sin_f32: degree 3 on [0.0, 0.6187], relative error 1.75e-10 */
#define C_sin_f32(X) \
    X(-0x1.5555560000000p-3f), X(0x1.11110e0000000p-7f), X(-0x1.a0139e0000000p-13f), X(0x1.6dbae20000000p-19f)
/* (cos(x) - 1 + z / 2) / z^2: cos_f32: degree 3 on [0.0, 0.6187], relative error 5.78e-11 */
#define C_cos_f32(X) \
    X(0x1.5555560000000p-5f), X(-0x1.6c16c00000000p-10f), X(0x1.a015be0000000p-16f), X(-0x1.2522340000000p-22f)
/* (atan(x) / x - 1) / z: atan_f64: degree 10 on [0.0, 0.17209], relative error 9.73e-17 */
#define C_atan_f64(X) \
    X(-0x1.5555555555555p-2), X(0x1.999999999931fp-3), X(-0x1.2492492433d39p-3), X(0x1.c71c7183cc41ep-4), \
    X(-0x1.745d0aee2371bp-4), X(0x1.3b125db8ea975p-4), X(-0x1.10fa2d1e20924p-4), X(0x1.dfe13bbfed1c7p-5), \
    X(-0x1.a07f3466e2fbep-5), X(0x1.41169424f26e2p-5), X(-0x1.397767014d42ap-6)
/* (asin(x) / x - 1) / z: asin_f64: degree 12 on [0.0, 0.2505], relative error 8.12e-17 */
#define C_asin_f64(X) \
    X(0x1.5555555555556p-3), X(0x1.3333333332eaap-4), X(0x1.6db6db6e35217p-5), X(0x1.f1c71c1baf1c5p-6), \
    X(0x1.6e8bb21b0d9bap-6), X(0x1.1c4d2df172182p-6), X(0x1.c9cff8af3076fp-7), X(0x1.781cd742184c7p-7), \
    X(0x1.52816d4983b43p-7), X(0x1.637b7e101b0dap-8), X(0x1.1e9d59329c4d3p-6), X(-0x1.eb83e904a1bfcp-7), \
    X(0x1.d8dbb348232e7p-6)
/* erf(x) / x - 1: erf_f64: degree 13 on [0.0, 1.002], relative error 2.46e-21 */
#define C_erf_f64(X) \
    X(0x1.06eba8214db69p-3), X(-0x1.812746b0379e7p-2), X(0x1.ce2f21a042bdep-4), X(-0x1.b82ce312889b2p-6), \
    X(0x1.565bcd0e64e88p-8), X(-0x1.c02db3fee570ap-11), X(0x1.f9a326c15a124p-14), X(-0x1.f4d25606184e7p-17), \
    X(0x1.b9e64f3e7518cp-20), X(-0x1.5f6d82b15cb1cp-23), X(0x1.fc426417e7dc0p-27), X(-0x1.4e5bc5869b82ep-30), \
    X(0x1.7eebdf7deea89p-34), X(-0x1.297446e038ac8p-38)
/* (1 + 2x) e^(x^2) erfc(x) by t = (x - 3.75) / (x + 3.75) (Shepherd and Laframboise 1981): erfcx_f64: degree 22 on [-0.66, 0.77], relative error 1.49e-19 */
#define C_erfcx_f64(X) \
    X(0x1.3ccda0b5d5dc2p+0), X(-0x1.1f367683f89a7p-3), X(0x1.d5f2948159da2p-9), X(0x1.510169d096811p-4), \
    X(-0x1.bda9309a289eap-4), X(0x1.7a14188a99859p-4), X(-0x1.e0d0fa6dfb237p-5), X(0x1.d0b0037ddceefp-6), \
    X(-0x1.3f603c354a814p-7), X(0x1.cc3a0e15ab8bep-10), X(0x1.33fb269347dd3p-12), X(-0x1.303f9c35f443ap-12), \
    X(0x1.b143d30544f36p-15), X(0x1.7789d2319a85dp-16), X(-0x1.8000907e861d7p-17), X(-0x1.051a3b21dda25p-20), \
    X(0x1.d5ff864c6ec79p-20), X(-0x1.f5142161fde6cp-25), X(-0x1.13503440a3d6ap-22), X(0x1.9a15589cb72c8p-26), \
    X(0x1.31cf39b4ca204p-25), X(-0x1.e621121654eb2p-29), X(-0x1.b84d3d1e1a0c2p-29)
/* log2(1 + f) / f: log2_wide: for float32 computed in double: degree 12 on [sqrt(1/2) - 1, sqrt(2) - 1], relative error 1.86e-11 */
#define C_log2_wide(X) \
    X(0x1.71547652a44dbp+0), X(-0x1.715476572cc31p-1), X(0x1.ec709ea6a0c5ep-2), X(-0x1.71546f4871651p-2), \
    X(0x1.277658c21e745p-2), X(-0x1.ec7352cb89bf3p-3), X(0x1.a63df11f4d312p-3), X(-0x1.7131ef80d3e2cp-3), \
    X(0x1.453051c8c9c33p-3), X(-0x1.25de4aa3aaf85p-3), X(0x1.28dbd2cf0a272p-3), X(-0x1.21af6d5ddd93cp-3), \
    X(0x1.35673bb33fc05p-4)
/* (2^r - 1) / r: exp2_wide: for float32 computed in double: degree 6 on [-0.5001, 0.5001], relative error 2.66e-10 */
#define C_exp2_wide(X) \
    X(0x1.62e42fefa39efp-1), X(0x1.ebfbe0460cc0bp-3), X(0x1.c6b08d884527ep-5), X(0x1.3b2a1b516ca7fp-7), \
    X(0x1.5d879e9962406p-10), X(0x1.44401fae30efep-13), X(0x1.00a594fd058bap-16)
/* erf(i / 4 + t), i = 0..15, |t| <= 1/8, by powers of t: a row holds the coefficients of one power; row 0 is erf(i / 4). For i = 0 it is erf(t) - t. */
#define C_erf_near_0(X) \
    X(0x0.0p+0f), X(0x1.1af54e0000000p-2f), X(0x1.0a7ef60000000p-1f), X(0x1.6c1c980000000p-1f), X(0x1.af767a0000000p-1f), X(0x1.d8865e0000000p-1f), \
    X(0x1.eea5560000000p-1f), X(0x1.f92d080000000p-1f), X(0x1.fd9ae20000000p-1f), X(0x1.ff40480000000p-1f), X(0x1.ffcaa80000000p-1f), X(0x1.fff2d00000000p-1f), \
    X(0x1.fffd1a0000000p-1f), X(0x1.ffff700000000p-1f), X(0x1.ffffe80000000p-1f), X(0x1.fffffc0000000p-1f)
#define C_erf_near_1(X) \
    X(0x1.06eba80000000p-3f), X(0x1.0f5d160000000p+0f), X(0x1.c1efca0000000p-1f), X(0x1.492e420000000p-1f), X(0x1.a911f00000000p-2f), X(0x1.e465300000000p-3f), \
    X(0x1.e723720000000p-4f), X(0x1.b055300000000p-5f), X(0x1.529b9e0000000p-6f), X(0x1.d4143a0000000p-8f), X(0x1.1d83180000000p-9f), X(0x1.3360d00000000p-11f), \
    X(0x1.2408f00000000p-13f), X(0x1.e9b6000000000p-16f), X(0x1.6a59900000000p-18f), X(0x1.d937640000000p-21f)
#define C_erf_near_2(X) \
    X(-0x1.e6d71c0000000p-26f), X(-0x1.0f5d160000000p-2f), X(-0x1.c1efca0000000p-2f), X(-0x1.edc5640000000p-2f), X(-0x1.a911f00000000p-2f), X(-0x1.2ebf3e0000000p-2f), \
    X(-0x1.6d5a960000000p-3f), X(-0x1.7a4a8a0000000p-4f), X(-0x1.529b9e0000000p-5f), X(-0x1.074b600000000p-6f), X(-0x1.64e3dc0000000p-8f), X(-0x1.a6a51a0000000p-10f), \
    X(-0x1.b60d600000000p-12f), X(-0x1.8de3d00000000p-14f), X(-0x1.3d0e480000000p-16f), X(-0x1.bba3b80000000p-19f)
#define C_erf_near_3(X) \
    X(-0x1.8126960000000p-2f), X(-0x1.3c96b00000000p-2f), X(-0x1.2bf5940000000p-3f), X(0x1.b6ddc80000000p-6f), X(0x1.1b60340000000p-3f), X(0x1.571cbe0000000p-3f), \
    X(0x1.1c2a5a0000000p-3f), X(0x1.7149a20000000p-4f), X(0x1.8b0bdc0000000p-5f), X(0x1.63efc60000000p-6f), X(0x1.119d020000000p-7f), X(0x1.69cc4e0000000p-9f), \
    X(0x1.9db0160000000p-11f), X(0x1.9a97f60000000p-13f), X(0x1.62bba60000000p-15f), X(0x1.0b571e0000000p-17f)
#define C_erf_near_4(X) \
    X(-0x1.7b66140000000p-14f), X(0x1.040dd80000000p-3f), X(0x1.76f1c60000000p-3f), X(0x1.349b340000000p-3f), X(0x1.1b61fa0000000p-4f), X(-0x1.939c920000000p-8f), \
    X(-0x1.6d59e80000000p-5f), X(-0x1.8a0dda0000000p-5f), X(-0x1.1a2cce0000000p-5f), X(-0x1.38aa160000000p-6f), X(-0x1.1a8a060000000p-7f), X(-0x1.ab0bc00000000p-9f), \
    X(-0x1.11c71e0000000p-10f), X(-0x1.2c7a5c0000000p-12f), X(-0x1.1c02600000000p-14f), X(-0x1.d062260000000p-17f)
#define C_erf_near_5(X) \
    X(0x1.d3e9e60000000p-4f), X(0x1.4659aa0000000p-4f), X(0x1.e82d320000000p-8f), X(-0x1.b0a3640000000p-5f), X(-0x1.19edaa0000000p-4f), X(-0x1.81ced40000000p-5f), \
    X(-0x1.eac2120000000p-7f), X(0x1.a8da200000000p-8f), X(0x1.aa4ec40000000p-7f), X(0x1.5cb6000000000p-7f), X(0x1.91bba00000000p-8f), X(0x1.6b30aa0000000p-9f), \
    X(0x1.0ce2080000000p-10f), X(0x1.4d3aa80000000p-12f), X(0x1.5e2af00000000p-14f), X(0x1.3aa7e40000000p-16f)
#define C_erf_near_6(X) \
    X(-0x1.474d360000000p-7f), X(-0x1.4a302c0000000p-5f), X(-0x1.9804ba0000000p-5f), X(-0x1.b764e20000000p-6f), X(0x1.26f7b20000000p-8f), X(0x1.5ad1480000000p-6f), \
    X(0x1.3bbb6c0000000p-6f), X(0x1.26417a0000000p-7f), X(0x1.04481a0000000p-11f), X(-0x1.799c2e0000000p-9f), X(-0x1.6dffaa0000000p-9f), X(-0x1.b2ffd80000000p-10f), \
    X(-0x1.8499500000000p-11f), X(-0x1.1656540000000p-12f), X(-0x1.4975760000000p-14f), X(-0x1.47bc860000000p-16f)
/* ((2 atanh(s) - 2 s) / s^3 - 2/3) / z, z = s^2: log_tail_f64: degree 7 on [0.0, 0.029496], relative error 6.47e-17 */
#define C_log_tail_f64(X) \
    X(0x1.999999999999ap-2), X(0x1.2492492492523p-2), X(0x1.c71c71c6ea0cap-3), X(0x1.745d177b194a2p-3), \
    X(0x1.3b13959b5cc13p-3), X(0x1.1118d382c2053p-3), X(0x1.df7a5b4b419ebp-4), X(0x1.e047cde9b935ep-4)
/* log(gamma(2 + u)) / u: lgamma_f64: degree 19 on [-0.5, 0.5], relative error 2.36e-17 */
#define C_lgamma_f64(X) \
    X(0x1.b0ee6072093cep-2), X(0x1.4a34cc4a60fa6p-2), X(-0x1.13e001a55760ap-4), X(0x1.51322ac7d848ap-6), \
    X(-0x1.e404fc218dbaep-8), X(0x1.7add6eadb5317p-9), X(-0x1.38ac5c2d48207p-10), X(0x1.0b36af8779ca0p-11), \
    X(-0x1.d3fd4b679c1c4p-13), X(0x1.a127afee53e7dp-14), X(-0x1.78de9ab752b81p-15), X(0x1.580e0afa55850p-16), \
    X(-0x1.3cb3be36ad88bp-17), X(0x1.258f3057730fap-18), X(-0x1.1276ebd557fb0p-19), X(0x1.012012be3900ap-20), \
    X(-0x1.ce17528bcf460p-22), X(0x1.b40adb09a1e12p-23), X(-0x1.2009c1a550d0dp-23), X(0x1.11fa5e7c86f7bp-24)
/* x (log(gamma(x)) - (x - 1/2) log(x) + x - log(2 pi) / 2) by w = 1 / x^2: stirling_f64: degree 6 on [0.0, 0.015625], relative error 5.54e-17 */
#define C_stirling_f64(X) \
    X(0x1.5555555555555p-4), X(-0x1.6c16c16c149f4p-9), X(0x1.a01a017dcf9e1p-11), X(-0x1.38134d4f8896fp-11), \
    X(0x1.b92c33f9445e5p-11), X(-0x1.ef8d748aeb0f2p-10), X(0x1.4bffc9d8b455bp-8)
/* e^(x^2) erfc(x), x = g + u, by powers of u: row 0 holds the points g, others the coefficients of one power. Relative error 1.4e-8. The points are next to 0, 1/4, 1/2, 3/4,
 * 1, 3/2, ..., 13, moved by less than 2^-7 of themselves until the value there is nearly a float. */
#define C_erfcx_near_0(X) \
    X(0x0.0p+0f), X(0x1.ff40000000000p-3f), X(0x1.0010000000000p-1f), X(0x1.7fe8000000000p-1f), X(0x1.fca0000000000p-1f), X(0x1.8138000000000p+0f), \
    X(0x1.ff60000000000p+0f), X(0x1.3ec0000000000p+1f), X(0x1.8198000000000p+1f), X(0x1.0088000000000p+2f), X(0x1.3ed8000000000p+2f), X(0x1.7f60000000000p+2f), \
    X(0x1.c010000000000p+2f), X(0x1.21b0000000000p+3f), X(0x1.5f10000000000p+3f), X(0x1.a0b8000000000p+3f)
#define C_erfcx_near_1(X) \
    X(0x1.0000000000000p+0f), X(0x1.8a8e8c0000000p-1f), X(0x1.3b33900000000p-1f), X(0x1.03962a0000000p-1f), X(0x1.b7b2580000000p-2f), X(0x1.4881f00000000p-2f), \
    X(0x1.05cadc0000000p-2f), X(0x1.b139280000000p-3f), X(0x1.6d36800000000p-3f), X(0x1.1806820000000p-3f), X(0x1.c707be0000000p-4f), X(0x1.7c9dbe0000000p-4f), \
    X(0x1.46d0fa0000000p-4f), X(0x1.fb7ca20000000p-5f), X(0x1.a38f840000000p-5f), X(0x1.61e0300000000p-5f)
#define C_erfcx_near_2(X) \
    X(-0x1.20dd760000000p+0f), X(-0x1.7cbd9e0000000p-1f), X(-0x1.0673a60000000p-1f), X(-0x1.78e4020000000p-2f), X(-0x1.19dd1e0000000p-2f), X(-0x1.4d9e900000000p-3f), \
    X(-0x1.b646880000000p-4f), X(-0x1.3287fc0000000p-4f), X(-0x1.ba31b20000000p-5f), X(-0x1.0845f20000000p-5f), X(-0x1.5febb00000000p-6f), X(-0x1.ef0be80000000p-7f), \
    X(-0x1.6e31dc0000000p-7f), X(-0x1.bb28bc0000000p-8f), X(-0x1.2f75840000000p-8f), X(-0x1.b042e40000000p-9f)
#define C_erfcx_near_3(X) \
    X(0x1.fffffe0000000p-1f), X(0x1.2b82d60000000p-1f), X(0x1.6fe3120000000p-2f), X(0x1.d925fa0000000p-3f), X(0x1.3f61b20000000p-3f), X(0x1.35fee60000000p-4f), \
    X(0x1.57609c0000000p-5f), X(0x1.9c72b60000000p-6f), X(0x1.0186b80000000p-6f), X(0x1.e685680000000p-8f), X(0x1.0b80ac0000000p-8f), X(0x1.3df0800000000p-9f), \
    X(0x1.9679c60000000p-10f), X(0x1.80beec0000000p-11f), X(0x1.b536440000000p-12f), X(0x1.073f180000000p-12f)
#define C_erfcx_near_4(X) \
    X(-0x1.8126540000000p-1f), X(-0x1.97f5700000000p-2f), X(-0x1.c68cb20000000p-3f), X(-0x1.0a00b40000000p-3f), X(-0x1.489b1a0000000p-4f), X(-0x1.0bae460000000p-5f), \
    X(-0x1.fc586a0000000p-7f), X(-0x1.095f400000000p-7f), X(-0x1.219b720000000p-8f), X(-0x1.b5785c0000000p-10f), X(-0x1.8ffeea0000000p-11f), X(-0x1.937ade0000000p-12f), \
    X(-0x1.bf15c60000000p-13f), X(-0x1.4c1b440000000p-14f), X(-0x1.39b3860000000p-15f), X(-0x1.3fb6d60000000p-16f)
#define C_erfcx_near_5(X) \
    X(0x1.ffbea80000000p-2f), X(0x1.f12dc20000000p-3f), X(0x1.fc70100000000p-4f), X(0x1.11b1580000000p-4f), X(0x1.387db00000000p-5f), X(0x1.b24d040000000p-7f), \
    X(0x1.6609400000000p-8f), X(0x1.481e3e0000000p-9f), X(0x1.3baeaa0000000p-10f), X(0x1.80cf800000000p-12f), X(0x1.266e100000000p-13f), X(0x1.fa21a40000000p-15f), \
    X(0x1.e7e4a40000000p-16f), X(0x1.1cf9180000000p-17f), X(0x1.c078de0000000p-19f), X(0x1.832eac0000000p-20f)
#define C_erfcx_near_6(X) \
    X(-0x1.301d920000000p-2f), X(-0x1.1658520000000p-3f), X(-0x1.0744380000000p-4f), X(-0x1.0698b80000000p-5f), X(-0x1.14eb000000000p-6f), X(-0x1.51c7920000000p-8f), \
    X(-0x1.e706b60000000p-10f), X(-0x1.8a11500000000p-11f), X(-0x1.4e15f20000000p-12f), X(-0x1.512a600000000p-14f), X(-0x1.afcf960000000p-16f), X(-0x1.3c97e60000000p-17f), \
    X(-0x1.0747fe0000000p-18f), X(-0x1.eeeb740000000p-21f), X(-0x1.42fea40000000p-22f), X(-0x1.d79e820000000p-24f)
#define C_erfcx_near_7(X) \
    X(0x1.1a33b00000000p-3f), X(0x1.1e92460000000p-4f), X(0x1.f9b7580000000p-6f), X(0x1.d624460000000p-7f), X(0x1.8e282e0000000p-8f), X(0x1.f322280000000p-10f), \
    X(0x1.399e6a0000000p-11f), X(0x1.bee9320000000p-13f), X(0x1.25ada60000000p-14f), X(0x1.1fb0900000000p-16f), X(0x1.2ea59e0000000p-18f), X(0x1.80e4240000000p-20f), \
    X(0x1.d6af060000000p-22f), X(0x1.b2a76c0000000p-24f), X(0x1.c31cdc0000000p-26f), X(0x1.1ee2be0000000p-27f)
/* The inverse of erfc at e^-w, w = g + u, in the same form; the points are next to 1/2, 3/4, 1, 3/2, ..., 96. Relative error 9.3e-9. */
#define C_erfcinv_near_0(X) \
    X(0x1.00a0000000000p-1f), X(0x1.81b8000000000p-1f), X(0x1.0170000000000p+0f), X(0x1.81d8000000000p+0f), X(0x1.0028000000000p+1f), X(0x1.7f28000000000p+1f), \
    X(0x1.0050000000000p+2f), X(0x1.81b8000000000p+2f), X(0x1.0010000000000p+3f), X(0x1.7eb0000000000p+3f), X(0x1.fdc0000000000p+3f), X(0x1.7f20000000000p+4f), \
    X(0x1.fed0000000000p+4f), X(0x1.7ff8000000000p+5f), X(0x1.0178000000000p+6f), X(0x1.8158000000000p+6f)
#define C_erfcinv_near_1(X) \
    X(0x1.75b0a00000000p-2f), X(0x1.051aa20000000p-1f), X(0x1.4767300000000p-1f), X(0x1.ba95180000000p-1f), X(0x1.0e72580000000p+0f), X(0x1.629c840000000p+0f), \
    X(0x1.ab62540000000p+0f), X(0x1.129c040000000p+1f), X(0x1.44a3020000000p+1f), X(0x1.9870dc0000000p+1f), X(0x1.df03080000000p+1f), X(0x1.2ae3400000000p+2f), \
    X(0x1.5c72b80000000p+2f), X(0x1.afb9220000000p+2f), X(0x1.f6d1e00000000p+2f), X(0x1.35685e0000000p+3f)
#define C_erfcinv_near_2(X) \
    X(0x1.3a08580000000p-1f), X(0x1.1510c00000000p-1f), X(0x1.f3afec0000000p-2f), X(0x1.a869be0000000p-2f), X(0x1.7678ec0000000p-2f), X(0x1.35d78c0000000p-2f), \
    X(0x1.0c85b40000000p-2f), X(0x1.b4e1d00000000p-3f), X(0x1.79c8580000000p-3f), X(0x1.330a2e0000000p-3f), X(0x1.08c18e0000000p-3f), X(0x1.ad1a180000000p-4f), \
    X(0x1.721c740000000p-4f), X(0x1.2c5ece0000000p-4f), X(0x1.029c960000000p-4f), X(0x1.a564620000000p-5f)
#define C_erfcinv_near_3(X) \
    X(-0x1.5ae8280000000p-3f), X(-0x1.f093780000000p-4f), X(-0x1.77aef80000000p-4f), X(-0x1.e135a40000000p-5f), X(-0x1.54858a0000000p-5f), X(-0x1.90e3e60000000p-6f), \
    X(-0x1.0b4e660000000p-6f), X(-0x1.27fc2e0000000p-7f), X(-0x1.84c06c0000000p-8f), X(-0x1.a89c160000000p-9f), X(-0x1.12c14e0000000p-9f), X(-0x1.274ab60000000p-10f), \
    X(-0x1.7cdaec0000000p-11f), X(-0x1.993efe0000000p-12f), X(-0x1.05dfa80000000p-12f), X(-0x1.1bf6a60000000p-13f)
#define C_erfcinv_near_4(X) \
    X(0x1.533cb60000000p-4f), X(0x1.8e54700000000p-5f), X(0x1.fe49280000000p-6f), X(0x1.f3c73c0000000p-7f), X(0x1.1e973c0000000p-7f), X(0x1.e711e60000000p-9f), \
    X(0x1.f8d3900000000p-10f), X(0x1.813d780000000p-11f), X(0x1.83409e0000000p-12f), X(0x1.1eb8d80000000p-13f), X(0x1.17ee880000000p-14f), X(0x1.912dbc0000000p-16f), \
    X(0x1.84186a0000000p-17f), X(0x1.14e5bc0000000p-18f), X(0x1.07d9900000000p-19f), X(0x1.7d6acc0000000p-21f)
#define C_erfcinv_near_5(X) \
    X(-0x1.8b49f20000000p-5f), X(-0x1.7e22d80000000p-6f), X(-0x1.9fdc300000000p-7f), X(-0x1.387d4e0000000p-8f), X(-0x1.23ced40000000p-9f), X(-0x1.675a260000000p-11f), \
    X(-0x1.2315c00000000p-12f), X(-0x1.3317500000000p-14f), X(-0x1.db49600000000p-16f), X(-0x1.de1aa60000000p-18f), X(-0x1.61c8320000000p-19f), X(-0x1.52470c0000000p-21f), \
    X(-0x1.ecd62e0000000p-23f), X(-0x1.d29a0c0000000p-25f), X(-0x1.4c36b20000000p-26f), X(-0x1.3f24ac0000000p-28f)
#define C_erfcinv_near_6(X) \
    X(0x1.ee403a0000000p-6f), X(0x1.94053e0000000p-7f), X(0x1.7327ac0000000p-8f), X(0x1.b253f00000000p-10f), X(0x1.4593c80000000p-11f), X(0x1.2942860000000p-13f), \
    X(0x1.71380e0000000p-15f), X(0x1.14e4460000000p-17f), X(0x1.41d6c80000000p-19f), X(0x1.c553980000000p-22f), X(0x1.ed3b720000000p-24f), X(0x1.45d3fa0000000p-26f), \
    X(0x1.5abbae0000000p-28f), X(0x1.c259680000000p-31f), X(0x1.d366260000000p-33f), X(0x1.295b700000000p-35f)
#define C_erfcinv_near_7(X) \
    X(-0x1.08701e0000000p-6f), X(-0x1.c507080000000p-8f), X(-0x1.2bd2080000000p-9f), X(-0x1.40815a0000000p-11f), X(-0x1.39bcd00000000p-13f), X(-0x1.fbe7840000000p-16f), \
    X(-0x1.8bfb360000000p-18f), X(-0x1.0919080000000p-20f), X(-0x1.6b34e40000000p-23f), X(-0x1.b8f5e40000000p-26f), X(-0x1.1951860000000p-28f), X(-0x1.4403ac0000000p-31f), \
    X(-0x1.91492c0000000p-34f), X(-0x1.c5f09a0000000p-37f), X(-0x1.155a700000000p-39f), X(-0x1.7bacac0000000p-42f)
/* erfinv(y) / y - 0x1.c5bf8a0000000p-1f by y^2: erfinv_f32: degree 6 on [0, 0.2501], relative error 1.14e-9 */
#define C_erfinv_f32(X) \
    X(-0x1.be8cf40000000p-26f), X(0x1.db29da0000000p-3f), X(0x1.0544580000000p-3f), X(0x1.6105440000000p-4f), \
    X(0x1.1a80220000000p-4f), X(0x1.e9270c0000000p-6f), X(0x1.8f49f40000000p-4f)
#endif
